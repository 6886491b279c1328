// A forest's tests in bytes. Only the order of a feature's thresholds matters, so a value is
// replaced by its rank among them, and "column > threshold" becomes "rank > rank of the threshold":
// 64 tests fit one vector register.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lowered_forest.h"

namespace corbel::inference {

inline constexpr std::size_t kRankWidth = 16;  // thresholds that are compared at once

template <class T>
struct alignas(64) RankLine {
  T thresholds[kRankWidth];
};

// At most 255 thresholds of one feature; a feature with more has several scales. A value's rank is
// the number of thresholds below it, counted in two lines: lines[firstLine] holds the last
// thresholds of the lines that follow it (the place of the final one is +inf, as are unused
// places), so the count there says which line to count in next.
struct Scale {
  std::uint32_t feature = 0;
  std::uint32_t firstLine = 0;
  // Slots are the bytes of a row. The rank is written to both; what no test reads goes to the slot
  // behind the last.
  std::uint32_t lowSlot = 0;   // missing values are below every threshold
  std::uint32_t highSlot = 0;  // missing values are above
  bool zeroIsMissing = false;
  // The same thresholds as a binary search tree of `searchDepth` complete levels in heap order from
  // place 1 on, padded with +inf, in lines of their own: for many values at a time.
  std::uint8_t searchDepth = 0;
  std::uint32_t firstSearchLine = 0;
};

// Goes right when the row's byte in `slot` is above `rank`.
struct ByteTest {
  std::uint32_t slot = 0;
  std::uint8_t rank = 0;
};

template <class T>
class ByteColumns {
 public:
  std::size_t features() const { return features_; }
  std::size_t slots() const { return slots_; }  // that tests read
  const std::vector<Scale>& scales() const { return scales_; }
  const RankLine<T>* lines() const { return lines_.data(); }

  // Writes what ranks alone do not tell: missing values, zeros that are missing, columns of 0 or 1.
  // The byte of a slot is bytes[slot * slotStride].
  void finishRow(const T* row, std::uint8_t* bytes, std::size_t slotStride) const;
  // Whether finishRow() is needed for rows without NaN, too.
  bool finishesEveryRow() const { return finishesEveryRow_; }

  std::size_t memoryBytes() const;

 private:
  template <class U>
  friend class ByteBuilder;
  struct Flag {
    Column<T> column;
    std::uint32_t slot = 0;
  };

  std::vector<Scale> scales_;
  std::vector<RankLine<T>> lines_;
  std::vector<Flag> flags_;
  std::vector<CategorySet> sets_;
  std::size_t features_ = 0;
  std::size_t slots_ = 0;
  bool finishesEveryRow_ = false;
};

template <class T>
struct ByteForest {
  ByteColumns<T> columns;
  std::vector<std::vector<ByteTest>> tests;  // of each tree, of each node
};

// Nothing when the forest needs more than `slotsMax` slots.
template <class T>
std::optional<ByteForest<T>> toBytes(const LoweredForest<T>& forest, std::size_t slotsMax);

extern template class ByteColumns<float>;
extern template class ByteColumns<double>;

}  // namespace corbel::inference
