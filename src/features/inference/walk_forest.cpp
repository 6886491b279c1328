#include "walk_forest.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "leaf_index.h"
#include "scratch.h"

namespace corbel::inference {
namespace {

// Columns of a block of rows should stay in the first-level cache while every tree passes over
// them.
constexpr std::size_t kBlockBytes = 16 * limits::kKiB;
constexpr std::size_t kBlockRowsMax = 128;

// The first column of a row is the one that leaves test.
constexpr std::uint32_t kFirstColumn = 1;

// Asking at a node costs about four times what a column and a step cost apart, so it pays where a
// row visits few of the columns. Beyond kColumnsMax the columns of a few rows would not stay in the
// cache, and their memory would be the file's to choose.
constexpr std::size_t kColumnsToAVisit = 4;
constexpr std::size_t kColumnsMax = 65'536;

// Deep trees are walked in strides, so that short paths can stop early and the test for that costs
// little.
constexpr int kStride = 4;

}  // namespace

template <class T>
Result<WalkForest<T>> WalkForest<T>::build(const LoweredForest<T>& forest) {
  constexpr std::size_t kLimit = std::numeric_limits<std::int32_t>::max();
  const std::size_t nodes = forest.nodeCount();
  if (nodes > kLimit || forest.leafValues.size() > kLimit) {
    return fail(ErrorCode::unprocessable, "the forest has more than 2^31 nodes or leaf values");
  }
  WalkForest walk;
  walk.columns_ = forest.columns;
  walk.sets_ = forest.sets;
  walk.outputs_ = forest.outputs;
  const std::size_t columnCount = forest.columns.size();
  walk.asksAtNodes_ =
      columnCount > kColumnsMax || columnCount > kColumnsToAVisit * forest.visitsOfARow();
  if (forest.vectorLeaves) walk.vectorLeaves_ = forest.leafValues;
  walk.steps_.reserve(nodes);
  walk.roots_.reserve(forest.trees.size());
  for (const LoweredTree<T>& tree : forest.trees) walk.appendTree(forest, tree);
  return walk;
}

// Breadth first: the top of a tree, which every row visits, shares few cache lines, and siblings
// are neighbours.
template <class T>
void WalkForest<T>::appendTree(const LoweredForest<T>& forest, const LoweredTree<T>& tree) {
  const std::size_t first = steps_.size();
  roots_.push_back({static_cast<std::uint32_t>(first), tree.output, tree.depth});
  std::vector<std::int32_t> order{0};
  order.reserve(tree.nodes.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const LoweredNode<T>& node = tree.nodes[static_cast<std::size_t>(order[i])];
    if (node.isLeaf()) {
      const T value =
          forest.vectorLeaves ? fromIndex<T>(node.value) : forest.leafValues[node.value];
      steps_.push_back({value, 0, static_cast<std::uint32_t>(first + i)});
      continue;
    }
    steps_.push_back({node.threshold, node.column + kFirstColumn,
                      static_cast<std::uint32_t>(first + order.size())});
    order.push_back(node.left);
    order.push_back(node.right);
  }
}

template <class T>
void WalkForest<T>::fillColumns(const T* row, T* columns) const {
  columns[0] = std::numeric_limits<T>::quiet_NaN();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns[kFirstColumn + i] = columnValue(columns_[i], sets_, row);
  }
}

template <class T>
template <std::size_t kCount>
void WalkForest<T>::walk(std::uint32_t (&nodes)[kCount], const T* const (&columns)[kCount],
                         int depth) const {
  const Step* const steps = steps_.data();
  for (int level = 0; level < depth; level += kStride) {
    std::uint32_t moved = 0;
    for (int i = 0; i < kStride; ++i) {
      moved = 0;
      for (std::size_t j = 0; j < kCount; ++j) {
        const Step& step = steps[nodes[j]];
        const std::uint32_t next = step.left + (columns[j][step.column] > step.threshold ? 1 : 0);
        moved |= next ^ nodes[j];
        nodes[j] = next;
      }
    }
    if (moved == 0) return;
  }
}

template <class T>
void WalkForest<T>::addLeaf(const Step& leaf, std::uint32_t output, T* sums) const {
  if (vectorLeaves_.empty()) {
    sums[output] += leaf.threshold;
    return;
  }
  const T* const values = &vectorLeaves_[toIndex(leaf.threshold)];
  for (std::uint32_t i = 0; i < outputs_; ++i) sums[i] += values[i];
}

template <class T>
void WalkForest<T>::addTreesToRow(const T* columns, T* sums) const {
  for (std::size_t first = 0; first < roots_.size(); first += kWalks) {
    const std::size_t count = std::min(kWalks, roots_.size() - first);
    std::uint32_t nodes[kWalks] = {};
    const T* starts[kWalks] = {};
    int depth = 0;
    for (std::size_t i = 0; i < kWalks; ++i) {
      const Root& root = roots_[first + std::min(i, count - 1)];
      nodes[i] = root.node;
      starts[i] = columns;
      depth = std::max(depth, root.depth);
    }
    walk(nodes, starts, depth);
    for (std::size_t i = 0; i < count; ++i)
      addLeaf(steps_[nodes[i]], roots_[first + i].output, sums);
  }
}

template <class T>
void WalkForest<T>::addTreeToRows(const Root& root, const T* columns, std::size_t rowCount,
                                  T* sums) const {
  const std::size_t width = columns_.size() + kFirstColumn;
  for (std::size_t first = 0; first < rowCount; first += kWalks) {
    const std::size_t count = std::min(kWalks, rowCount - first);
    std::uint32_t nodes[kWalks] = {};
    const T* starts[kWalks] = {};
    for (std::size_t i = 0; i < kWalks; ++i) {
      nodes[i] = root.node;
      starts[i] = columns + (first + std::min(i, count - 1)) * width;
    }
    walk(nodes, starts, root.depth);
    for (std::size_t i = 0; i < count; ++i)
      addLeaf(steps_[nodes[i]], root.output, sums + (first + i) * outputs_);
  }
}

template <class T>
void WalkForest<T>::addTreesAsking(const T* row, T* sums) const {
  for (const Root& root : roots_) {
    std::uint32_t node = root.node;
    while (steps_[node].column != 0) {
      const Step& step = steps_[node];
      const T value = columnValue(columns_[step.column - kFirstColumn], sets_, row);
      node = step.left + (value > step.threshold ? 1 : 0);
    }
    addLeaf(steps_[node], root.output, sums);
  }
}

template <class T>
void WalkForest<T>::addTo(const T* rows, std::size_t rowCount, std::size_t stride, T* sums) const {
  if (asksAtNodes_) {
    for (std::size_t i = 0; i < rowCount; ++i)
      addTreesAsking(rows + i * stride, sums + i * outputs_);
    return;
  }
  const std::size_t width = columns_.size() + kFirstColumn;
  const std::size_t fitting = std::max(kBlockBytes / (width * sizeof(T)), kWalks);
  const std::size_t blockRows = std::min({fitting, kBlockRowsMax, rowCount});
  Scratch<T, kBlockBytes / sizeof(T)> columns(blockRows * width);
  for (std::size_t first = 0; first < rowCount; first += blockRows) {
    const std::size_t count = std::min(blockRows, rowCount - first);
    for (std::size_t i = 0; i < count; ++i)
      fillColumns(rows + (first + i) * stride, columns.data() + i * width);
    T* const blockSums = sums + first * outputs_;
    if (count < kWalks) {
      for (std::size_t i = 0; i < count; ++i)
        addTreesToRow(columns.data() + i * width, blockSums + i * outputs_);
      continue;
    }
    for (const Root& root : roots_) addTreeToRows(root, columns.data(), count, blockSums);
  }
}

template <class T>
std::size_t WalkForest<T>::memoryBytes() const {
  std::size_t bytes = columns_.size() * sizeof(Column<T>) + steps_.size() * sizeof(Step) +
                      roots_.size() * sizeof(Root) + vectorLeaves_.size() * sizeof(T);
  for (const CategorySet& set : sets_)
    bytes += sizeof(CategorySet) + set.size() * sizeof(std::uint32_t);
  return bytes;
}

template class WalkForest<float>;
template class WalkForest<double>;

}  // namespace corbel::inference
