// A forest brought to one kind of test, so that kernels need to know no other: a row's features are
// first turned into `columns`, and every inner node sends a row to the right exactly when column >
// threshold.
//
//   less, lessOrEqual, greater, greaterOrEqual   thresholds move to the neighbouring number,
//   children are swapped missing values                               a column of a feature keeps
//   NaN (never greater: left) or makes it +inf zero is missing                              a
//   column of its own category, equal, notEqual                    a column of its own: 0 for left,
//   1 for right
//
// So a feature has a few columns (two where some nodes send missing values to the left and others
// to the right).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "inference/forest.h"

namespace corbel::inference {

// What one column holds. Missing: NaN, and with zeroIsMissing also |x| <= 1e-35 (LightGBM's
// kZeroThreshold).
template <class T>
struct Column {
  enum class Kind : std::uint8_t {
    value,     // the feature; missing is NaN, or +inf with missingRight
    category,  // 0: the category is in the set, 1: it is not. missing: 0, or 1 with missingRight
    equal,     // 0: x == operand, 1: it is not. missing as above
    present,   // 0: there is a value. missing as above
  };
  Kind kind = Kind::value;
  bool missingRight = false;
  bool zeroIsMissing = false;
  std::uint32_t feature = 0;
  std::uint32_t set = 0;  // category: index into LoweredForest::sets
  T operand = 0;          // equal
  bool operator==(const Column&) const = default;
};

template <class T>
struct LoweredNode {
  T threshold = 0;
  std::uint32_t column = 0;
  std::int32_t left = Node::kLeaf;
  std::int32_t right = Node::kLeaf;
  std::uint32_t value = 0;  // leaf: index of its first value in LoweredForest::leafValues
  float cover = 0;
  bool isLeaf() const { return left == Node::kLeaf; }
};

template <class T>
struct LoweredTree {
  std::vector<LoweredNode<T>> nodes;  // the root is node 0; indexes are those of the forest's tree
  std::uint32_t output = 0;
  int depth = 0;  // splits on the longest path
};

template <class T>
struct LoweredForest {
  std::uint32_t features = 0;
  std::uint32_t outputs = 1;
  bool vectorLeaves = false;
  std::vector<Column<T>> columns;
  std::vector<CategorySet> sets;
  std::vector<LoweredTree<T>> trees;
  std::vector<T> leafValues;  // tree weights are multiplied in

  std::size_t nodeCount() const;
  // Nodes that a row passes at most, leaves included.
  std::size_t visitsOfARow() const;
  std::size_t leafStride() const { return vectorLeaves ? outputs : 1; }
};

// `forest` has passed validate().
template <class T>
LoweredForest<T> lower(const Forest& forest);

// NaN, or with zeroIsMissing a zero.
template <class T>
bool isMissing(T x, bool zeroIsMissing);

// The value of one column of a row.
template <class T>
T columnValue(const Column<T>& column, const std::vector<CategorySet>& sets, const T* row);

extern template struct LoweredForest<float>;
extern template struct LoweredForest<double>;

}  // namespace corbel::inference
