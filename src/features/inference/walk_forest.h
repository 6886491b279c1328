// The kernel for every forest: walks from node to node, eight walks at a time so that their memory
// waits overlap.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "lowered_forest.h"

namespace corbel::inference {

template <class T>
class WalkForest {
 public:
  // unprocessable: more nodes or leaf values than 32-bit indexes can name.
  static Result<WalkForest> build(const LoweredForest<T>& forest);

  // Adds each tree's leaf values to `sums` [rows x outputs], tree after tree. `rows` are feature
  // rows, `stride` apart.
  void addTo(const T* rows, std::size_t rowCount, std::size_t stride, T* sums) const;

  std::size_t memoryBytes() const;

  // True for forests with so many columns (most category splits have one of their own) that a row
  // works out only those it is asked for, at the nodes that ask: no memory a row is needed then.
  bool asksAtNodes() const { return asksAtNodes_; }

 private:
  // A leaf is its own left child and tests the column that is always NaN, so a walk may go on
  // without harm. Its threshold is its value, or with vector leaves the index of its values.
  struct Step {
    T threshold = 0;
    std::uint32_t column = 0;
    std::uint32_t left = 0;  // the right child follows
  };
  struct Root {
    std::uint32_t node = 0;
    std::uint32_t output = 0;
    int depth = 0;
  };
  static constexpr std::size_t kWalks = 8;

  void appendTree(const LoweredForest<T>& forest, const LoweredTree<T>& tree);
  void fillColumns(const T* row, T* columns) const;
  void addLeaf(const Step& leaf, std::uint32_t output, T* sums) const;
  void addTreesToRow(const T* columns, T* sums) const;
  void addTreesAsking(const T* row, T* sums) const;
  void addTreeToRows(const Root& root, const T* columns, std::size_t rowCount, T* sums) const;
  template <std::size_t kCount>
  void walk(std::uint32_t (&nodes)[kCount], const T* const (&columns)[kCount], int depth) const;

  std::vector<Column<T>> columns_;
  std::vector<CategorySet> sets_;
  std::vector<Step> steps_;
  std::vector<Root> roots_;
  std::vector<T> vectorLeaves_;  // empty without vector leaves
  std::uint32_t outputs_ = 1;
  bool asksAtNodes_ = false;
};

extern template class WalkForest<float>;
extern template class WalkForest<double>;

}  // namespace corbel::inference
