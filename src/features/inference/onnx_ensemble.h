// The trees of ONNX-ML's tree operators, before they become a Forest.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/forest.h"
#include "onnx_graph.h"

namespace corbel::inference::onnx {

// What a leaf adds to one target or class.
struct Weight {
  std::size_t leaf = 0;
  std::int64_t target = 0;
  double value = 0;
};

// Trees whose leaves have in Node::value their number; weights sorted by that number,
// then by target.
struct Ensemble {
  std::vector<Tree> trees;
  std::vector<Weight> weights;

  std::span<const Weight> of(std::size_t leaf) const;
};

// TreeEnsembleClassifier (`prefix` "class") and TreeEnsembleRegressor ("target"): versions 1 and 3.
Result<Ensemble> readAttributes(const Node& node, const std::string& prefix);
// TreeEnsemble, version 5.
Result<Ensemble> readTensors(const Node& node);

}  // namespace corbel::inference::onnx
