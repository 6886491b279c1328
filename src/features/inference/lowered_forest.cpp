#include "lowered_forest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <type_traits>
#include <utility>

namespace corbel::inference {
namespace {

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

// LightGBM's kZeroThreshold: a double made from a float literal.
constexpr double kZeroThreshold = static_cast<double>(1e-35F);

// XGBoost refuses a negative category before it truncates, LightGBM after: -0.5 is category 0 only
// there.
template <class T>
constexpr T kBelowFirstCategory =
    std::is_same_v<T, double> ? T{-1} : -std::numeric_limits<T>::denorm_min();

template <class T>
bool contains(const CategorySet& set, T x) {
  constexpr T kTooLarge = 4294967296.0;
  if (!(x > kBelowFirstCategory<T>) || !(x < kTooLarge)) return false;
  const auto category = static_cast<std::uint32_t>(x);
  return category / 32 < set.size() && ((set[category / 32] >> (category % 32)) & 1U) != 0;
}

// One inner node in the common form: "column > threshold goes right", after swapping its children
// where needed.
template <class T>
struct Lowering {
  Column<T> column;
  T threshold = 0;
  bool swapped = false;
};

// x < t is x <= the number before t. Nothing is below -inf: that test is the opposite of "there is
// a value".
template <class T>
Lowering<T> lowerNumeric(const Node& node) {
  Lowering<T> result;
  const auto threshold = static_cast<T>(node.threshold);
  const bool strict = node.split == Split::less || node.split == Split::greaterOrEqual;
  const bool never = strict && threshold == -kInfinity<T>;
  result.swapped = (node.split == Split::greater || node.split == Split::greaterOrEqual) != never;
  result.threshold = strict ? std::nextafter(threshold, -kInfinity<T>) : threshold;
  if (never || (threshold == kInfinity<T> && !strict)) {
    result.column.kind = Column<T>::Kind::present;
    result.threshold = 0;
  }
  return result;
}

template <class T>
Lowering<T> lowerNode(const Node& node) {
  Lowering<T> result;
  switch (node.split) {
    case Split::less:
    case Split::lessOrEqual:
    case Split::greater:
    case Split::greaterOrEqual:
      result = lowerNumeric<T>(node);
      break;
    case Split::equal:
    case Split::notEqual:
      result.column.kind = Column<T>::Kind::equal;
      result.column.operand = static_cast<T>(node.threshold);
      result.swapped = node.split == Split::notEqual;
      break;
    case Split::category:
      result.column.kind = Column<T>::Kind::category;
      result.column.set = node.value;
      break;
  }
  result.column.feature = static_cast<std::uint32_t>(node.feature);
  result.column.zeroIsMissing = node.zeroIsMissing;
  result.column.missingRight = node.missingLeft == result.swapped;
  return result;
}

// Equal columns and equal category sets are kept once.
template <class T>
class ColumnTable {
 public:
  explicit ColumnTable(const std::vector<CategorySet>& sets) : sets_(sets) {}

  std::uint32_t indexOf(Column<T> column, LoweredForest<T>& forest) {
    if (column.kind == Column<T>::Kind::category)
      column.set = setIndex(sets_[column.set], forest.sets);
    const auto key = std::tuple(column.kind, column.feature, column.missingRight,
                                column.zeroIsMissing, column.set, column.operand);
    const auto [entry, isNew] =
        columnIndex_.try_emplace(key, static_cast<std::uint32_t>(forest.columns.size()));
    if (isNew) forest.columns.push_back(column);
    return entry->second;
  }

 private:
  std::uint32_t setIndex(const CategorySet& set, std::vector<CategorySet>& kept) {
    const auto [entry, isNew] = setIndex_.try_emplace(set, static_cast<std::uint32_t>(kept.size()));
    if (isNew) kept.push_back(set);
    return entry->second;
  }

  const std::vector<CategorySet>& sets_;
  std::map<CategorySet, std::uint32_t> setIndex_;
  std::map<std::tuple<typename Column<T>::Kind, std::uint32_t, bool, bool, std::uint32_t, T>,
           std::uint32_t>
      columnIndex_;
};

template <class T>
int depthOf(const std::vector<LoweredNode<T>>& nodes) {
  int depth = 0;
  std::vector<std::pair<std::int32_t, int>> open{{0, 0}};
  while (!open.empty()) {
    const auto [index, level] = open.back();
    open.pop_back();
    depth = std::max(depth, level);
    const LoweredNode<T>& node = nodes[static_cast<std::size_t>(index)];
    if (node.isLeaf()) continue;
    open.emplace_back(node.left, level + 1);
    open.emplace_back(node.right, level + 1);
  }
  return depth;
}

template <class T>
std::uint32_t addLeaf(const Forest& forest, const Tree& tree, const Node& leaf,
                      LoweredForest<T>& lowered) {
  const auto first = static_cast<std::uint32_t>(lowered.leafValues.size());
  for (std::size_t i = 0; i < lowered.leafStride(); ++i) {
    lowered.leafValues.push_back(static_cast<T>(forest.leafValues[leaf.value + i]) *
                                 static_cast<T>(tree.weight));
  }
  return first;
}

template <class T>
LoweredTree<T> lowerTree(const Forest& forest, std::size_t index, ColumnTable<T>& columns,
                         LoweredForest<T>& lowered) {
  const Tree& tree = forest.trees[index];
  LoweredTree<T> result;
  result.output = forest.vectorLeaves ? 0 : tree.output;
  result.nodes.resize(tree.nodes.size());
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const Node& node = tree.nodes[i];
    LoweredNode<T>& target = result.nodes[i];
    target.cover = node.cover;
    if (node.isLeaf()) {
      target.value = addLeaf(forest, tree, node, lowered);
      continue;
    }
    const Lowering<T> lowering = lowerNode<T>(node);
    target.threshold = lowering.threshold;
    target.column = columns.indexOf(lowering.column, lowered);
    target.left = lowering.swapped ? node.right : node.left;
    target.right = lowering.swapped ? node.left : node.right;
  }
  result.depth = depthOf(result.nodes);
  return result;
}

}  // namespace

template <class T>
LoweredForest<T> lower(const Forest& forest) {
  LoweredForest<T> lowered;
  lowered.features = forest.features;
  lowered.outputs = forest.outputs;
  lowered.vectorLeaves = forest.vectorLeaves;
  lowered.trees.reserve(forest.trees.size());
  ColumnTable<T> columns(forest.categories);
  for (std::size_t i = 0; i < forest.trees.size(); ++i) {
    lowered.trees.push_back(lowerTree<T>(forest, i, columns, lowered));
  }
  return lowered;
}

template <class T>
bool isMissing(T x, bool zeroIsMissing) {
  return std::isnan(x) || (zeroIsMissing && std::abs(x) <= static_cast<T>(kZeroThreshold));
}

template <class T>
T columnValue(const Column<T>& column, const std::vector<CategorySet>& sets, const T* row) {
  using Kind = typename Column<T>::Kind;
  const T x = row[column.feature];
  const bool missing = isMissing(x, column.zeroIsMissing);
  if (missing && column.kind != Kind::value) return column.missingRight ? T{1} : T{0};
  switch (column.kind) {
    case Kind::value:
      if (!missing) return x;
      return column.missingRight ? kInfinity<T> : std::numeric_limits<T>::quiet_NaN();
    case Kind::category:
      return contains(sets[column.set], x) ? T{0} : T{1};
    case Kind::equal:
      return x == column.operand ? T{0} : T{1};
    case Kind::present:
      return T{0};
  }
  std::unreachable();
}

template <class T>
std::size_t LoweredForest<T>::nodeCount() const {
  std::size_t count = 0;
  for (const LoweredTree<T>& tree : trees) count += tree.nodes.size();
  return count;
}

template <class T>
std::size_t LoweredForest<T>::visitsOfARow() const {
  std::size_t visits = 0;
  for (const LoweredTree<T>& tree : trees) visits += static_cast<std::size_t>(tree.depth) + 1;
  return visits;
}

template struct LoweredForest<float>;
template struct LoweredForest<double>;
template LoweredForest<float> lower<float>(const Forest&);
template LoweredForest<double> lower<double>(const Forest&);
template bool isMissing(float, bool);
template bool isMissing(double, bool);
template float columnValue(const Column<float>&, const std::vector<CategorySet>&, const float*);
template double columnValue(const Column<double>&, const std::vector<CategorySet>&, const double*);

}  // namespace corbel::inference
