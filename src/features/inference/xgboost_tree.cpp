#include "xgboost_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace corbel::inference {
namespace {

// XGBoost's bound: larger codes are not exact in a float (common/categorical.h, OutOfRangeCat).
constexpr std::int32_t kMaxCategory = 1 << 24;

struct Columns {
  std::uint32_t nodes = 0;
  std::uint32_t leafWidth = 1;
  std::int32_t id = -1;
  std::vector<std::int32_t> leftChildren, rightChildren, splitIndices, defaultLeft, splitTypes;
  std::vector<float> splitConditions, sumHessian, baseWeights, leafWeights;
  std::vector<std::int32_t> categories, categoryNodes, categorySegments, categorySizes;
};

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

Result<void> readParameters(DocumentReader& document, Columns& columns) {
  return document.object([&](std::string_view key) -> Result<void> {
    if (key == "num_nodes") return store(numberInText(document, key), columns.nodes);
    if (key == "size_leaf_vector") {
      CORBEL_CHECK(store(numberInText(document, key), columns.leafWidth));
      columns.leafWidth = std::max(columns.leafWidth, 1U);  // files before 1.6 say 0
      return {};
    }
    return document.skip();
  });
}

Result<Columns> readColumns(DocumentReader& document) {
  Columns columns;
  const std::array<std::pair<std::string_view, std::vector<std::int32_t>*>, 9> integers = {{
      {"left_children", &columns.leftChildren},
      {"right_children", &columns.rightChildren},
      {"split_indices", &columns.splitIndices},
      {"default_left", &columns.defaultLeft},
      {"split_type", &columns.splitTypes},
      {"categories", &columns.categories},
      {"categories_nodes", &columns.categoryNodes},
      {"categories_segments", &columns.categorySegments},
      {"categories_sizes", &columns.categorySizes},
  }};
  const std::array<std::pair<std::string_view, std::vector<float>*>, 4> floats = {{
      {"split_conditions", &columns.splitConditions},
      {"sum_hessian", &columns.sumHessian},
      {"base_weights", &columns.baseWeights},
      {"leaf_weights", &columns.leafWeights},
  }};
  CORBEL_CHECK(document.object([&](std::string_view key) -> Result<void> {
    if (key == "tree_param") return readParameters(document, columns);
    if (key == "id") return store(document.integer(), columns.id);
    for (const auto& [name, column] : integers) {
      if (key == name) return store(document.integers(), *column);
    }
    for (const auto& [name, column] : floats) {
      if (key == name) return store(document.floats(), *column);
    }
    return document.skip();
  }));
  return columns;
}

Result<void> checkLengths(const Columns& columns) {
  const auto check = [&](std::string_view name, std::size_t size) -> Result<void> {
    if (size == columns.nodes) return {};
    return unprocessable(fmt::format("{} has {} values for {} nodes", name, size, columns.nodes));
  };
  CORBEL_CHECK(check("left_children", columns.leftChildren.size()));
  CORBEL_CHECK(check("right_children", columns.rightChildren.size()));
  CORBEL_CHECK(check("split_indices", columns.splitIndices.size()));
  CORBEL_CHECK(check("default_left", columns.defaultLeft.size()));
  CORBEL_CHECK(check("split_conditions", columns.splitConditions.size()));
  if (!columns.sumHessian.empty()) CORBEL_CHECK(check("sum_hessian", columns.sumHessian.size()));
  if (!columns.splitTypes.empty()) CORBEL_CHECK(check("split_type", columns.splitTypes.size()));
  return {};
}

class TreeReader {
 public:
  TreeReader(const Columns& columns, XgboostTrees& trees) : columns_(columns), trees_(trees) {}

  Result<Tree> run() {
    CORBEL_CHECK(checkLengths(columns_));
    std::vector<Node> nodes(columns_.nodes);
    for (std::uint32_t i = 0; i < columns_.nodes; ++i) {
      CORBEL_TRY(nodes[i], columns_.leftChildren[i] == Node::kLeaf ? leaf(i) : split(i));
    }
    CORBEL_CHECK(categorySplits(nodes));
    Tree tree;
    CORBEL_TRY(tree.nodes, reachableNodes(nodes));
    return tree;
  }

 private:
  float cover(std::size_t i) const {
    return columns_.sumHessian.empty() ? 0 : columns_.sumHessian[i];
  }

  Result<Node> split(std::size_t i) const {
    Node node;
    node.threshold = columns_.splitConditions[i];
    node.feature = columns_.splitIndices[i];
    node.left = columns_.leftChildren[i];
    node.right = columns_.rightChildren[i];
    node.cover = cover(i);
    node.split = Split::less;
    node.missingLeft = columns_.defaultLeft[i] != 0;
    return node;
  }

  Result<Node> leaf(std::size_t i) {
    Node node;
    node.cover = cover(i);
    node.value = static_cast<std::uint32_t>(trees_.leafValues.size());
    if (columns_.leafWidth == 1) {
      trees_.leafValues.push_back(columns_.splitConditions[i]);
      return node;
    }
    // Since 3.1 a leaf's right child is its row in leaf_weights; before, every node has a row in
    // base_weights.
    const bool own = !columns_.leafWeights.empty();
    const std::vector<float>& weights = own ? columns_.leafWeights : columns_.baseWeights;
    const std::size_t rows = weights.size() / columns_.leafWidth;
    const std::int64_t row = own ? columns_.rightChildren[i] : std::int64_t(i);
    if (row < 0 || std::size_t(row) >= rows) {
      return unprocessable(
          fmt::format("node {}: leaf {} is not one of the {} leaves", i, row, rows));
    }
    const std::size_t begin = std::size_t(row) * columns_.leafWidth;
    CORBEL_CHECK(trees_.allowance.claim(columns_.leafWidth, sizeof(double), "the leaf values"));
    trees_.leafValues.insert(trees_.leafValues.end(), weights.data() + begin,
                             weights.data() + begin + columns_.leafWidth);
    return node;
  }

  Result<void> categorySplits(std::vector<Node>& nodes) {
    if (std::ranges::any_of(columns_.splitTypes, [](auto type) { return type > 1 || type < 0; })) {
      return unprocessable("split_type has a value other than 0 (number) and 1 (category)");
    }
    const std::size_t count = columns_.categoryNodes.size();
    if (columns_.categorySegments.size() != count || columns_.categorySizes.size() != count) {
      return unprocessable("categories_nodes, _segments and _sizes differ in length");
    }
    std::size_t marked = 0;
    for (std::size_t i = 0; i < columns_.splitTypes.size(); ++i) {
      marked += columns_.splitTypes[i] == 1 && !nodes[i].isLeaf();
    }
    std::size_t described = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t index = columns_.categoryNodes[i];
      if (index < 0 || std::size_t(index) >= columns_.splitTypes.size() ||
          columns_.splitTypes[index] != 1) {
        return unprocessable(
            fmt::format("node {}: has categories but is no category split", index));
      }
      if (nodes[index].isLeaf()) continue;
      if (nodes[index].split == Split::category) {
        return unprocessable(fmt::format("node {}: has categories twice", index));
      }
      CORBEL_CHECK(categorySplit(i, index, nodes[index]));
      ++described;
    }
    if (marked == described) return {};
    return unprocessable("a category split has no categories");
  }

  // XGBoost sends the categories of the set to the right and all else to the left: Forest has it
  // the other way.
  Result<void> categorySplit(std::size_t entry, std::int32_t index, Node& node) {
    const std::int64_t begin = columns_.categorySegments[entry];
    const std::int64_t size = columns_.categorySizes[entry];
    if (begin < 0 || size < 0 || begin + size > std::int64_t(columns_.categories.size())) {
      return unprocessable(fmt::format("node {}: categories {} to {} are outside the {} categories",
                                       index, begin, begin + size, columns_.categories.size()));
    }
    const std::span<const std::int32_t> values(columns_.categories.data() + begin, size);
    CategorySet set;
    for (const std::int32_t value : values) {
      if (value < 0 || value >= kMaxCategory) {
        return unprocessable(fmt::format("node {}: category {} is not from 0 to {}", index, value,
                                         kMaxCategory - 1));
      }
      const std::size_t word = std::size_t(value) / 32;
      if (word >= set.size()) {
        CORBEL_CHECK(trees_.allowance.claim(word + 1 - set.size(), 4, "the category sets"));
        set.resize(word + 1);
      }
      set[word] |= 1U << (value % 32);
    }
    node.split = Split::category;
    node.value = static_cast<std::uint32_t>(trees_.categories.size());
    node.threshold = 0;
    std::swap(node.left, node.right);
    node.missingLeft = !node.missingLeft;
    trees_.categories.push_back(std::move(set));
    return {};
  }

  const Columns& columns_;
  XgboostTrees& trees_;
};

}  // namespace

Result<std::uint32_t> numberInText(DocumentReader& document, std::string_view name) {
  CORBEL_TRY(const std::string text, document.text());
  if (const auto number = parseNumber<std::uint32_t>(text)) return *number;
  return unprocessable(
      fmt::format("{} must be a number from 0 to 4294967295, got \"{}\"", name, excerpt(text)));
}

Result<void> readXgboostTree(DocumentReader& document, XgboostTrees& trees) {
  CORBEL_TRY(const Columns columns, readColumns(document));
  if (trees.leafWidth != 0 && trees.leafWidth != columns.leafWidth) {
    return unprocessable("trees with one value a leaf and with several are mixed");
  }
  trees.leafWidth = columns.leafWidth;
  if (columns.id >= 0 && std::size_t(columns.id) != trees.trees.size()) {
    return unprocessable(fmt::format("has id {}", columns.id));
  }
  CORBEL_TRY(Tree tree, TreeReader(columns, trees).run());
  trees.trees.push_back(std::move(tree));
  return {};
}

}  // namespace corbel::inference
