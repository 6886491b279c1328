// What the output tensors of a model mean for one row.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/model.h"
#include "inference/tensor.h"

namespace corbel::inference {

struct Prediction {
  // Classification: the most probable class, as its position in `probabilities`.
  std::optional<std::size_t> classIndex;
  std::vector<double> probabilities;  // may be empty: the model tells only the class
  std::string label;                  // as the file names the class; empty: it does not
  // Regression and everything else: the numbers (or texts) of the first output.
  std::vector<double> values;
  std::vector<std::string> texts;

  std::optional<double> confidence() const {
    if (!classIndex || *classIndex >= probabilities.size()) return std::nullopt;
    return probabilities[*classIndex];
  }
};

// `outputs` come from Model::run of the model with this signature.
// internal: they do not have the row.
Result<Prediction> predictionOf(const Signature& signature, const Tensors& outputs,
                                std::size_t row);

}  // namespace corbel::inference
