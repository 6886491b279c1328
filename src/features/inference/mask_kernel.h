// The kernel of MaskForest, for the vector registers of one processor. Include inside the region of
// the target attribute, behind the header of the processor, which gives countBelow(), hasNan(),
// highBits() and the class `Registers`: the bytes of one row, ready for the tests of a top.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "leaf_index.h"
#include "mask_forest.h"
#include "rank_row.h"

namespace corbel::inference {
namespace {

constexpr std::size_t kRowBytes =
    192;  // 128 slots and the one that nobody reads, in whole registers
constexpr std::size_t kBlockRows = 64;

template <class Registers>
[[gnu::always_inline]] inline std::size_t topExit(const MaskTop& top, const Registers& row) {
  const std::uint64_t right = row.testsThatGoRight(top);
  const std::size_t upper = kExits.exits[highBits(right)];
  const std::size_t lower = kExits.exits[(right >> (8 * upper)) & 127];
  return 8 * upper + lower;
}

template <class T>
[[gnu::always_inline]] inline T bottomLeaf(const std::uint8_t* bottom, std::uint32_t depth,
                                           const std::uint8_t* row) {
  std::size_t place = 1;
  for (std::uint32_t level = 0; level < depth; ++level) {
    const std::uint8_t* const test = bottom + 2 * place;
    place = 2 * place + (row[test[0]] > test[1] ? 1 : 0);
  }
  T leaf;
  std::memcpy(
      &leaf,
      bottom + MaskForest<T>::testsBytes(depth) + sizeof(T) * (place - (std::size_t{1} << depth)),
      sizeof(T));
  return leaf;
}

template <class Registers, class T>
[[gnu::always_inline]] inline T leafOf(const MaskForest<T>& forest, std::size_t tree,
                                       const Registers& registers, const std::uint8_t* row) {
  using Root = typename MaskForest<T>::Root;
  const Root& root = forest.roots.data()[tree];
  const std::size_t exit = topExit(forest.tops.data()[tree], registers);
  if (root.bottomDepth == 0) return forest.leaves.data()[root.first + exit];
  const std::size_t size = MaskForest<T>::bottomBytes(root.bottomDepth);
  return bottomLeaf<T>(forest.bottoms.data() + root.first + exit * size, root.bottomDepth, row);
}

template <class T>
[[gnu::always_inline]] inline void addLeaf(const MaskForest<T>& forest, std::size_t tree, T leaf,
                                           T* sums) {
  if (forest.vectorLeaves.empty()) {
    sums[forest.roots.data()[tree].output] += leaf;
    return;
  }
  const T* const values = forest.vectorLeaves.data() + toIndex(leaf);
  for (std::uint32_t i = 0; i < forest.outputs; ++i) sums[i] += values[i];
}

template <class Registers, class T>
void addToRow(const MaskForest<T>& forest, const std::uint8_t* row, T* sums) {
  const Registers registers(row);
  if (forest.outputs == 1 && forest.vectorLeaves.empty()) {
    T sum = *sums;
    for (std::size_t tree = 0; tree < forest.tops.size(); ++tree) {
      sum += leafOf(forest, tree, registers, row);
    }
    *sums = sum;
    return;
  }
  for (std::size_t tree = 0; tree < forest.tops.size(); ++tree) {
    addLeaf(forest, tree, leafOf(forest, tree, registers, row), sums);
  }
}

template <class Registers, class T>
void addToRows(const MaskForest<T>& forest, const std::uint8_t* rows, std::size_t rowCount,
               T* sums) {
  for (std::size_t tree = 0; tree < forest.tops.size(); ++tree) {
    for (std::size_t i = 0; i < rowCount; ++i) {
      const std::uint8_t* const row = rows + i * kRowBytes;
      const T leaf = leafOf(forest, tree, Registers(row), row);
      addLeaf(forest, tree, leaf, sums + i * forest.outputs);
    }
  }
}

template <class Registers, class T>
void addMasks(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
              std::size_t rowCount, std::size_t stride, T* sums) {
  alignas(64) std::uint8_t bytes[kBlockRows * kRowBytes];
  for (std::size_t first = 0; first < rowCount; first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, rowCount - first);
    for (std::size_t i = 0; i < count; ++i) {
      rankRow<1>(columns, rows + (first + i) * stride, columns.features(), bytes + i * kRowBytes);
    }
    T* const blockSums = sums + first * forest.outputs;
    if (count == 1)
      addToRow<Registers>(forest, bytes, blockSums);
    else
      addToRows<Registers>(forest, bytes, count, blockSums);
  }
}

}  // namespace
}  // namespace corbel::inference
