#include "inference/forest.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "tree_builder.h"

namespace corbel::inference {
namespace {

Result<void> invalid(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

// The nodes of one tree with what they may refer to.
class TreeCheck {
 public:
  TreeCheck(const Forest& forest, const Tree& tree) : forest_(forest), nodes_(tree.nodes) {}

  Result<void> run() {
    if (nodes_.empty()) return invalid("has no nodes");
    if (nodes_.size() > std::size_t{std::numeric_limits<std::int32_t>::max()}) {
      return invalid(fmt::format("has {} nodes, more than an index can name", nodes_.size()));
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) CORBEL_CHECK(content(i));
    return shape();
  }

 private:
  Result<void> invalidAt(std::size_t node, const std::string& message) const {
    return invalid(fmt::format("node {}: {}", node, message));
  }

  Result<void> content(std::size_t index) const {
    const Node& node = nodes_[index];
    if (node.isLeaf()) return leaf(index);
    if (node.feature < 0 || std::uint32_t(node.feature) >= forest_.features) {
      return invalidAt(index, fmt::format("feature {} is not one of the {} features", node.feature,
                                          forest_.features));
    }
    if (node.split == Split::category) {
      if (node.value < forest_.categories.size()) return {};
      return invalidAt(index, fmt::format("category set {} is not one of the {} sets", node.value,
                                          forest_.categories.size()));
    }
    if (std::isnan(node.threshold)) return invalidAt(index, "the threshold is not a number");
    if (forest_.precision == Precision::float32 &&
        static_cast<double>(static_cast<float>(node.threshold)) != node.threshold) {
      return invalidAt(index, fmt::format("threshold {} does not fit a float", node.threshold));
    }
    return {};
  }

  Result<void> leaf(std::size_t index) const {
    const Node& node = nodes_[index];
    if (node.right != Node::kLeaf) return invalidAt(index, "is a leaf with a right child");
    const std::size_t width = forest_.vectorLeaves ? forest_.outputs : 1;
    const std::size_t values = forest_.leafValues.size();
    if (node.value < values && values - node.value >= width) return {};
    return invalidAt(
        index, fmt::format("leaf value {} is outside the {} leaf values", node.value, values));
  }

  Result<void> child(std::size_t parent, const char* side, std::int32_t child) {
    if (child < 0 || std::size_t(child) >= nodes_.size()) {
      return invalidAt(parent, fmt::format("{} child {} is outside the tree ({} nodes)", side,
                                           child, nodes_.size()));
    }
    if (reached_[child]) {
      return invalidAt(parent, fmt::format("{} child {} has another parent or is its own ancestor",
                                           side, child));
    }
    reached_[child] = true;
    next_.push_back(child);
    return {};
  }

  // Level by level, so that the depth is counted without recursion.
  Result<void> shape() {
    reached_.assign(nodes_.size(), false);
    reached_[0] = true;
    std::size_t count = 0;
    std::vector<std::int32_t> level = {0};
    for (int depth = 0; !level.empty(); ++depth) {
      if (depth > kMaxTreeDepth) {
        return invalid(fmt::format("is deeper than {} splits", kMaxTreeDepth));
      }
      count += level.size();
      next_.clear();
      for (const std::int32_t index : level) {
        const Node& node = nodes_[index];
        if (node.isLeaf()) continue;
        CORBEL_CHECK(child(index, "left", node.left));
        CORBEL_CHECK(child(index, "right", node.right));
      }
      std::swap(level, next_);
    }
    if (count == nodes_.size()) return {};
    return invalid(
        fmt::format("only {} of {} nodes can be reached from the root", count, nodes_.size()));
  }

  const Forest& forest_;
  std::span<const Node> nodes_;
  std::vector<bool> reached_;
  std::vector<std::int32_t> next_;
};

Result<void> validateSizes(const Forest& forest) {
  if (forest.outputs < 1 || forest.outputs > kMaxOutputs) {
    return invalid(
        fmt::format("the model has {} outputs, allowed are 1 to {}", forest.outputs, kMaxOutputs));
  }
  if (forest.features > kMaxFeatures) {
    return invalid(fmt::format("the model has {} features, allowed are up to {}", forest.features,
                               kMaxFeatures));
  }
  if (forest.baseScores.size() != forest.outputs) {
    return invalid(fmt::format("the model has {} base scores for {} outputs",
                               forest.baseScores.size(), forest.outputs));
  }
  if (!forest.featureNames.empty() && forest.featureNames.size() != forest.features) {
    return invalid(fmt::format("the model names {} of its {} features", forest.featureNames.size(),
                               forest.features));
  }
  return {};
}

}  // namespace

Result<void> validate(const Forest& forest) {
  CORBEL_CHECK(validateSizes(forest));
  for (std::size_t i = 0; i < forest.trees.size(); ++i) {
    const Tree& tree = forest.trees[i];
    if (tree.output >= forest.outputs) {
      return invalid(fmt::format("tree {}: output {} is not one of the {} outputs", i, tree.output,
                                 forest.outputs));
    }
    if (auto checked = TreeCheck(forest, tree).run(); !checked) {
      return std::unexpected(within(fmt::format("tree {}", i), std::move(checked).error()));
    }
  }
  return {};
}

}  // namespace corbel::inference
