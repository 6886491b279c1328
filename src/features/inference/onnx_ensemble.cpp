#include "onnx_ensemble.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "tree_builder.h"

namespace corbel::inference::onnx {
namespace {

using TreeNode = inference::Node;

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

constexpr std::pair<std::string_view, Split> kModes[] = {
    {"BRANCH_LEQ", Split::lessOrEqual},    {"BRANCH_LT", Split::less},
    {"BRANCH_GTE", Split::greaterOrEqual}, {"BRANCH_GT", Split::greater},
    {"BRANCH_EQ", Split::equal},           {"BRANCH_NEQ", Split::notEqual},
};

// NaN differs from every threshold, so it passes "not equal" by itself.
bool missingGoesLeft(Split split, bool tracksTrue) {
  return tracksTrue || split == Split::notEqual;
}

class AttributeReader {
 public:
  explicit AttributeReader(const Node& node) : node_(node) {}

  Result<Ensemble> run(const std::string& prefix) {
    CORBEL_CHECK(readColumns());
    CORBEL_CHECK(findTrees());
    CORBEL_CHECK(readWeights(prefix));
    for (std::size_t tree = 0; tree + 1 < begins_.size(); ++tree) {
      CORBEL_CHECK(readTree(tree));
    }
    return std::move(ensemble_);
  }

 private:
  Result<void> readColumns() {
    CORBEL_TRY(treeIds_, node_.integers("nodes_treeids"));
    CORBEL_TRY(nodeIds_, node_.integers("nodes_nodeids"));
    CORBEL_TRY(features_, node_.integers("nodes_featureids"));
    CORBEL_TRY(trueIds_, node_.integers("nodes_truenodeids"));
    CORBEL_TRY(falseIds_, node_.integers("nodes_falsenodeids"));
    CORBEL_TRY(modes_, node_.texts("nodes_modes"));
    CORBEL_TRY(values_, node_.floatsOrTensor("nodes_values"));
    CORBEL_TRY(missingTrue_, node_.integers("nodes_missing_value_tracks_true"));
    const std::size_t count = treeIds_.size();
    for (const std::size_t size : {nodeIds_.size(), features_.size(), trueIds_.size(),
                                   falseIds_.size(), modes_.size(), values_.size()}) {
      if (size != count) {
        return unprocessable(
            fmt::format("nodes_ attributes differ in length: {} and {} values", count, size));
      }
    }
    if (count > std::size_t{std::numeric_limits<std::int32_t>::max()}) {
      return unprocessable(fmt::format("{} nodes are too many", count));
    }
    return {};
  }

  // ONNX Runtime starts a tree wherever the tree id changes; the first node is its root.
  Result<void> findTrees() {
    for (std::size_t i = 0; i < treeIds_.size(); ++i) {
      if (i == 0 || treeIds_[i] != treeIds_[i - 1]) begins_.push_back(i);
    }
    for (std::size_t tree = 0; tree < begins_.size(); ++tree) {
      numberOfId_.emplace_back(treeIds_[begins_[tree]], tree);
    }
    begins_.push_back(treeIds_.size());
    std::ranges::sort(numberOfId_);
    const auto twice =
        std::ranges::adjacent_find(numberOfId_, {}, &std::pair<std::int64_t, std::size_t>::first);
    if (twice != numberOfId_.end()) {
      return unprocessable(fmt::format("the nodes of tree {} are not together", twice->first));
    }
    return indexNodes();
  }

  Result<void> indexNodes() {
    for (std::size_t i = 0; i < nodeIds_.size(); ++i)
      order_.push_back(static_cast<std::uint32_t>(i));
    for (std::size_t tree = 0; tree + 1 < begins_.size(); ++tree) {
      const auto nodes =
          std::span(order_).subspan(begins_[tree], begins_[tree + 1] - begins_[tree]);
      const auto id = [this](std::uint32_t i) { return nodeIds_[i]; };
      if (!std::ranges::is_sorted(nodes, {}, id)) std::ranges::sort(nodes, {}, id);
      if (const auto twice = std::ranges::adjacent_find(nodes, {}, id); twice != nodes.end()) {
        return unprocessable(
            fmt::format("tree {}, node {}: is there twice", tree, nodeIds_[*twice]));
      }
    }
    return {};
  }

  // Position of a node in the columns.
  std::optional<std::size_t> find(std::size_t tree, std::int64_t nodeId) const {
    const auto nodes = std::span(order_).subspan(begins_[tree], begins_[tree + 1] - begins_[tree]);
    const auto found = std::ranges::lower_bound(nodes, nodeId, {},
                                                [this](std::uint32_t i) { return nodeIds_[i]; });
    if (found == nodes.end() || nodeIds_[*found] != nodeId) return std::nullopt;
    return *found;
  }

  Result<void> readWeights(const std::string& prefix) {
    CORBEL_TRY(const auto treeIds, node_.integers(prefix + "_treeids"));
    CORBEL_TRY(const auto nodeIds, node_.integers(prefix + "_nodeids"));
    CORBEL_TRY(const auto targets, node_.integers(prefix + "_ids"));
    CORBEL_TRY(const auto values, node_.floatsOrTensor(prefix + "_weights"));
    if (nodeIds.size() != treeIds.size() || targets.size() != treeIds.size() ||
        values.size() != treeIds.size()) {
      return unprocessable(fmt::format("{}_ attributes differ in length", prefix));
    }
    for (std::size_t i = 0; i < treeIds.size(); ++i) {
      const auto tree = std::ranges::lower_bound(numberOfId_, treeIds[i], {},
                                                 &std::pair<std::int64_t, std::size_t>::first);
      const bool known = tree != numberOfId_.end() && tree->first == treeIds[i];
      const auto node = known ? find(tree->second, nodeIds[i]) : std::nullopt;
      if (!node) {
        return unprocessable(fmt::format("{}_weights {}: tree {} has no node {}", prefix, i,
                                         treeIds[i], nodeIds[i]));
      }
      ensemble_.weights.push_back({*node, targets[i], values[i]});
    }
    std::ranges::sort(ensemble_.weights, {},
                      [](const Weight& weight) { return std::pair(weight.leaf, weight.target); });
    return {};
  }

  Result<void> readTree(std::size_t tree) {
    const std::size_t begin = begins_[tree];
    std::vector<TreeNode> nodes(begins_[tree + 1] - begin);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      auto node = readNode(tree, begin + i);
      if (!node) return at(tree, std::move(node).error());
      nodes[i] = *node;
    }
    auto reachable = reachableNodes(nodes);
    if (!reachable) return at(tree, std::move(reachable).error());
    ensemble_.trees.push_back({.nodes = std::move(*reachable)});
    return {};
  }

  static std::unexpected<Error> at(std::size_t tree, Error error) {
    return std::unexpected(within(fmt::format("tree {}", tree), std::move(error)));
  }

  Result<TreeNode> readNode(std::size_t tree, std::size_t i) const {
    TreeNode node;
    if (modes_[i] == "LEAF") {
      node.value = static_cast<std::uint32_t>(i);
      return node;
    }
    const auto* const mode =
        std::ranges::find(kModes, modes_[i], &std::pair<std::string_view, Split>::first);
    if (mode == std::end(kModes)) {
      if (modes_[i] == "BRANCH_MEMBER") return notTabular("BRANCH_MEMBER");
      return unprocessable(
          fmt::format("node {}: mode \"{}\" is not known", nodeIds_[i], excerpt(modes_[i])));
    }
    node.split = mode->second;
    node.threshold = values_[i];
    CORBEL_TRY(node.feature, featureOf(i));
    CORBEL_TRY(node.left, child(tree, i, "true", trueIds_[i]));
    CORBEL_TRY(node.right, child(tree, i, "false", falseIds_[i]));
    const bool tracksTrue = i < missingTrue_.size() && missingTrue_[i] == 1;
    node.missingLeft = missingGoesLeft(node.split, tracksTrue);
    return node;
  }

  Result<std::int32_t> featureOf(std::size_t i) const {
    if (features_[i] >= 0 && features_[i] < std::int64_t{kMaxFeatures}) {
      return static_cast<std::int32_t>(features_[i]);
    }
    return unprocessable(fmt::format("node {}: feature {} is not from 0 to {}", nodeIds_[i],
                                     features_[i], kMaxFeatures - 1));
  }

  Result<std::int32_t> child(std::size_t tree, std::size_t parent, std::string_view side,
                             std::int64_t id) const {
    if (const auto found = find(tree, id)) return static_cast<std::int32_t>(*found - begins_[tree]);
    return unprocessable(fmt::format("node {}: {} child {} is outside the tree ({} nodes)",
                                     nodeIds_[parent], side, id,
                                     begins_[tree + 1] - begins_[tree]));
  }

  const Node& node_;
  std::vector<std::int64_t> treeIds_, nodeIds_, features_, trueIds_, falseIds_, missingTrue_;
  std::vector<std::string_view> modes_;
  std::vector<double> values_;
  std::vector<std::size_t> begins_;  // of trees in the columns, and the end
  std::vector<std::pair<std::int64_t, std::size_t>> numberOfId_;
  std::vector<std::uint32_t> order_;  // positions of a tree's nodes sorted by node id
  Ensemble ensemble_;
};

// Children are positions, leaves are apart.
class TensorReader {
 public:
  explicit TensorReader(const Node& node) : node_(node) {}

  Result<Ensemble> run() {
    CORBEL_CHECK(readColumns());
    CORBEL_TRY(const auto roots, node_.integers("tree_roots"));
    reached_.assign(features_.size(), false);
    for (std::size_t i = 0; i < roots.size(); ++i) {
      auto read = readTree(roots[i]);
      if (!read) {
        return std::unexpected(within(fmt::format("tree {}", i), std::move(read).error()));
      }
    }
    for (std::size_t i = 0; i < leafTargets_.size(); ++i) {
      ensemble_.weights.push_back({i, leafTargets_[i], leafWeights_[i]});
    }
    return std::move(ensemble_);
  }

 private:
  Result<void> readColumns() {
    CORBEL_TRY(features_, node_.integers("nodes_featureids"));
    CORBEL_TRY(trueIds_, node_.integers("nodes_truenodeids"));
    CORBEL_TRY(falseIds_, node_.integers("nodes_falsenodeids"));
    CORBEL_TRY(trueLeafs_, node_.integers("nodes_trueleafs"));
    CORBEL_TRY(falseLeafs_, node_.integers("nodes_falseleafs"));
    CORBEL_TRY(missingTrue_, node_.integers("nodes_missing_value_tracks_true"));
    CORBEL_TRY(leafTargets_, node_.integers("leaf_targetids"));
    CORBEL_TRY(const Tensor splits, node_.tensor("nodes_splits"));
    CORBEL_TRY(values_, splits.reals());
    CORBEL_TRY(const Tensor weights, node_.tensor("leaf_weights"));
    CORBEL_TRY(leafWeights_, weights.reals());
    CORBEL_TRY(const Tensor modes, node_.tensor("nodes_modes"));
    CORBEL_TRY(modes_, modes.integers());
    for (const std::size_t size : {trueIds_.size(), falseIds_.size(), trueLeafs_.size(),
                                   falseLeafs_.size(), values_.size(), modes_.size()}) {
      if (size != features_.size()) {
        return unprocessable(fmt::format("nodes_ attributes differ in length: {} and {} values",
                                         features_.size(), size));
      }
    }
    if (leafTargets_.size() != leafWeights_.size()) {
      return unprocessable("leaf_targetids and leaf_weights differ in length");
    }
    return {};
  }

  // Breadth first; nodes_[i] of the new tree comes from origins_[i], negative for leaves.
  Result<void> readTree(std::int64_t root) {
    nodes_.assign(1, {});
    origins_.assign(1, root);
    CORBEL_CHECK(reach(root, root));
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (origins_[i] < 0) continue;
      CORBEL_CHECK(readNode(i, std::size_t(origins_[i])));
    }
    ensemble_.trees.push_back({.nodes = nodes_});
    return {};
  }

  Result<void> reach(std::int64_t parent, std::int64_t child) {
    if (child < 0 || std::size_t(child) >= reached_.size()) {
      return unprocessable(
          fmt::format("node {}: child {} is outside the {} nodes", parent, child, reached_.size()));
    }
    if (reached_[child]) {
      return unprocessable(fmt::format(
          "node {}: child {} has another parent or is its own ancestor", parent, child));
    }
    reached_[child] = true;
    return {};
  }

  Result<void> readNode(std::size_t to, std::size_t from) {
    if (modes_[from] == 6) return notTabular("BRANCH_MEMBER");
    // TreeEnsemble numbers the modes 0 LEQ, 1 LT, 2 GTE, 3 GT, 4 EQ, 5 NEQ.
    if (modes_[from] < 0 || modes_[from] > 5) {
      return unprocessable(fmt::format("node {}: mode {} is not known", from, modes_[from]));
    }
    TreeNode node;
    node.split = kModes[modes_[from]].second;
    node.threshold = values_[from];
    if (features_[from] < 0 || features_[from] >= std::int64_t{kMaxFeatures}) {
      return unprocessable(fmt::format("node {}: feature {} is not from 0 to {}", from,
                                       features_[from], kMaxFeatures - 1));
    }
    node.feature = static_cast<std::int32_t>(features_[from]);
    const bool tracksTrue = from < missingTrue_.size() && missingTrue_[from] == 1;
    node.missingLeft = missingGoesLeft(node.split, tracksTrue);
    CORBEL_TRY(node.left, child(from, trueLeafs_[from] != 0, trueIds_[from]));
    CORBEL_TRY(node.right, child(from, falseLeafs_[from] != 0, falseIds_[from]));
    nodes_[to] = node;
    return {};
  }

  Result<std::int32_t> child(std::size_t parent, bool isLeaf, std::int64_t id) {
    TreeNode node;
    if (isLeaf) {
      if (id < 0 || std::size_t(id) >= leafWeights_.size()) {
        return unprocessable(fmt::format("node {}: leaf {} is outside the {} leaves", parent, id,
                                         leafWeights_.size()));
      }
      node.value = static_cast<std::uint32_t>(id);
    } else {
      CORBEL_CHECK(reach(std::int64_t(parent), id));
    }
    nodes_.push_back(node);
    origins_.push_back(isLeaf ? -1 : id);
    return static_cast<std::int32_t>(nodes_.size() - 1);
  }

  const Node& node_;
  std::vector<std::int64_t> features_, trueIds_, falseIds_, trueLeafs_, falseLeafs_, missingTrue_;
  std::vector<std::int64_t> leafTargets_, modes_;
  std::vector<double> values_, leafWeights_;
  std::vector<bool> reached_;
  std::vector<TreeNode> nodes_;
  std::vector<std::int64_t> origins_;
  Ensemble ensemble_;
};

}  // namespace

std::span<const Weight> Ensemble::of(std::size_t leaf) const {
  const auto range = std::ranges::equal_range(weights, leaf, {}, &Weight::leaf);
  return {range.begin(), range.end()};
}

Result<Ensemble> readAttributes(const Node& node, const std::string& prefix) {
  return AttributeReader(node).run(prefix);
}

Result<Ensemble> readTensors(const Node& node) { return TensorReader(node).run(); }

}  // namespace corbel::inference::onnx
