// Random forests and rows that tests compare evaluators on.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "inference/forest.h"

namespace corbel::inference {

struct ForestShape {
  Precision precision = Precision::float32;
  int trees = 20;
  int depth = 6;
  double fullness = 0.9;  // share of nodes above `depth` that are split
  std::uint32_t features = 10;
  std::uint32_t outputs = 1;
  bool vectorLeaves = false;
  bool average = false;
  bool everySplitKind = false;  // else less with missing values on both sides
  int thresholds = 40;          // different ones
  std::size_t nodesMax = 4000;  // of a tree
};

class ForestMaker {
 public:
  explicit ForestMaker(std::uint64_t seed) : random_(seed) {}

  Forest forest(const ForestShape& shape);

  // Values that lie on thresholds, beside them, or are odd: NaN, infinities, zeros of both signs,
  // denormals, categories.
  template <class T>
  std::vector<T> rows(const Forest& forest, std::size_t count);

  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }
  bool chance(double share) { return std::bernoulli_distribution(share)(random_); }
  double number(double from, double to) {
    return std::uniform_real_distribution<double>(from, to)(random_);
  }

 private:
  Node split(const Forest& forest, const ForestShape& shape, std::span<const double> thresholds);
  Tree tree(Forest& forest, const ForestShape& shape, std::span<const double> thresholds);
  std::uint32_t leaf(Forest& forest);
  double cover(Tree& tree, std::size_t node);

  std::mt19937_64 random_;
};

inline std::uint32_t ForestMaker::leaf(Forest& forest) {
  const auto first = static_cast<std::uint32_t>(forest.leafValues.size());
  const std::uint32_t values = forest.vectorLeaves ? forest.outputs : 1;
  for (std::uint32_t i = 0; i < values; ++i)
    forest.leafValues.push_back(static_cast<float>(number(-1, 1)));
  return first;
}

inline Node ForestMaker::split(const Forest& forest, const ForestShape& shape,
                               std::span<const double> thresholds) {
  Node node;
  node.feature = static_cast<std::int32_t>(below(shape.features));
  node.threshold = thresholds[below(thresholds.size())];
  node.missingLeft = chance(0.5);
  if (!shape.everySplitKind) return node;
  node.split = static_cast<Split>(below(7));
  node.zeroIsMissing = chance(0.2);
  if (node.split == Split::category)
    node.value = static_cast<std::uint32_t>(below(forest.categories.size()));
  return node;
}

inline Tree ForestMaker::tree(Forest& forest, const ForestShape& shape,
                              std::span<const double> thresholds) {
  Tree tree;
  tree.output = forest.vectorLeaves ? 0 : static_cast<std::uint32_t>(below(forest.outputs));
  tree.weight = chance(0.2) ? 0.5 : 1;
  tree.nodes.emplace_back();
  std::vector<int> depths{0};
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    if (depths[i] >= shape.depth || !chance(shape.fullness) ||
        tree.nodes.size() + 2 > shape.nodesMax) {
      tree.nodes[i].value = leaf(forest);
      continue;
    }
    tree.nodes[i] = split(forest, shape, thresholds);
    tree.nodes[i].left = static_cast<std::int32_t>(tree.nodes.size());
    tree.nodes[i].right = tree.nodes[i].left + 1;
    for (int child = 0; child < 2; ++child) {
      tree.nodes.emplace_back();
      depths.push_back(depths[i] + 1);
    }
  }
  for (std::size_t i = tree.nodes.size(); i-- > 0;) {
    Node& node = tree.nodes[i];
    node.cover = node.isLeaf() ? static_cast<float>(1 + below(100))
                               : tree.nodes[static_cast<std::size_t>(node.left)].cover +
                                     tree.nodes[static_cast<std::size_t>(node.right)].cover;
  }
  return tree;
}

inline Forest ForestMaker::forest(const ForestShape& shape) {
  Forest forest;
  forest.precision = shape.precision;
  forest.features = shape.features;
  forest.outputs = shape.outputs;
  forest.vectorLeaves = shape.vectorLeaves;
  forest.average = shape.average;
  for (std::uint32_t i = 0; i < shape.outputs; ++i)
    forest.baseScores.push_back(static_cast<float>(number(-1, 1)));
  for (int i = 0; i < 5; ++i) {
    CategorySet set(1 + below(3));
    for (std::uint32_t& word : set) word = static_cast<std::uint32_t>(random_());
    forest.categories.push_back(std::move(set));
  }
  std::vector<double> thresholds{0.0, -0.0,
                                 static_cast<double>(std::numeric_limits<float>::denorm_min()),
                                 static_cast<double>(std::numeric_limits<float>::max()),
                                 static_cast<double>(std::numeric_limits<float>::lowest())};
  if (shape.everySplitKind) {
    thresholds.push_back(std::numeric_limits<double>::infinity());
    thresholds.push_back(-std::numeric_limits<double>::infinity());
  }
  for (int i = 0; i < shape.thresholds; ++i) {
    const double threshold = chance(0.3) ? static_cast<double>(below(64)) : number(-2, 2);
    thresholds.push_back(shape.precision == Precision::float32 ? static_cast<float>(threshold)
                                                               : threshold);
  }
  for (int i = 0; i < shape.trees; ++i) forest.trees.push_back(tree(forest, shape, thresholds));
  return forest;
}

template <class T>
std::vector<T> ForestMaker::rows(const Forest& forest, std::size_t count) {
  using Limits = std::numeric_limits<T>;
  constexpr std::array kOdd{Limits::quiet_NaN(),
                            Limits::quiet_NaN(),
                            Limits::infinity(),
                            -Limits::infinity(),
                            T{0},
                            T{-0.0},
                            Limits::denorm_min(),
                            -Limits::denorm_min(),
                            Limits::max(),
                            Limits::lowest(),
                            static_cast<T>(-0.5),
                            T{-1},
                            T{31},
                            T{32},
                            T{95.5},
                            T{96},
                            static_cast<T>(1e-35),
                            static_cast<T>(5e9)};
  std::vector<T> thresholds{T{1}};
  for (const Tree& tree : forest.trees) {
    for (const Node& node : tree.nodes) {
      if (!node.isLeaf()) thresholds.push_back(static_cast<T>(node.threshold));
    }
  }
  std::vector<T> rows(count * forest.features);
  for (T& x : rows) {
    const T threshold = thresholds[below(thresholds.size())];
    switch (below(6)) {
      case 0:
        x = kOdd[below(kOdd.size())];
        break;
      case 1:
        x = threshold;
        break;
      case 2:
        x = std::nextafter(threshold, chance(0.5) ? Limits::max() : Limits::lowest());
        break;
      case 3:
        x = static_cast<T>(below(100));
        break;
      default:
        x = static_cast<T>(number(-2.5, 2.5));
        break;
    }
  }
  return rows;
}

}  // namespace corbel::inference
