#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "leaf_index.h"

#pragma clang attribute push(                                                                 \
    __attribute__((                                                                           \
        target("avx2,bmi,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))), \
    apply_to = function)

#include "avx512.h"

namespace corbel::inference {
namespace {

constexpr std::size_t kRowBytes =
    192;  // 128 slots and the one that nobody reads, in whole registers
constexpr std::size_t kBlockRows = 64;
constexpr std::uint64_t kTopBits = 0x8080'8080'8080'8080;

// The bytes of one row in registers, ready to be looked up by 64 tests at once.
template <bool kWide>
struct RowRegisters {
  __m512i low;
  __m512i high;

  explicit RowRegisters(const std::uint8_t* bytes)
      : low(_mm512_load_si512(bytes)), high(kWide ? _mm512_load_si512(bytes + 64) : low) {}

  __m512i at(__m512i slots) const {
    if constexpr (kWide)
      return _mm512_permutex2var_epi8(low, slots, high);
    else
      return _mm512_permutexvar_epi8(slots, low);
  }
};

template <class T, bool kWide>
[[gnu::always_inline]] inline std::size_t topExit(const typename MaskForest<T>::Top& top, const RowRegisters<kWide>& row) {
  const __m512i values = row.at(_mm512_load_si512(top.slots));
  const std::uint64_t right = _mm512_cmpgt_epu8_mask(values, _mm512_load_si512(top.ranks));
  const std::size_t upper = kExits.exits[_pext_u64(right, kTopBits)];
  const std::size_t lower = kExits.exits[(right >> (8 * upper)) & 127];
  return 8 * upper + lower;
}

template <class T>
[[gnu::always_inline]] inline T bottomLeaf(const std::uint8_t* bottom, std::uint32_t depth, const std::uint8_t* row) {
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

template <class T, bool kWide>
[[gnu::always_inline]] inline T leafOf(const MaskForest<T>& forest, std::size_t tree, const RowRegisters<kWide>& registers,
                const std::uint8_t* row) {
  using Root = typename MaskForest<T>::Root;
  const Root& root = forest.roots.data()[tree];
  const std::size_t exit = topExit<T, kWide>(forest.tops.data()[tree], registers);
  if (root.bottomDepth == 0) return forest.leaves.data()[root.first + exit];
  const std::size_t size = MaskForest<T>::bottomBytes(root.bottomDepth);
  return bottomLeaf<T>(forest.bottoms.data() + root.first + exit * size, root.bottomDepth, row);
}

template <class T>
[[gnu::always_inline]] inline void addLeaf(const MaskForest<T>& forest, std::size_t tree, T leaf, T* sums) {
  if (forest.vectorLeaves.empty()) {
    sums[forest.roots.data()[tree].output] += leaf;
    return;
  }
  const T* const values = forest.vectorLeaves.data() + toIndex(leaf);
  for (std::uint32_t i = 0; i < forest.outputs; ++i) sums[i] += values[i];
}

template <class T, bool kWide>
void addToRow(const MaskForest<T>& forest, const std::uint8_t* row, T* sums) {
  const RowRegisters<kWide> registers(row);
  if (forest.outputs == 1 && forest.vectorLeaves.empty()) {
    T sum = *sums;
    for (std::size_t tree = 0; tree < forest.tops.size(); ++tree) {
      sum += leafOf<T, kWide>(forest, tree, registers, row);
    }
    *sums = sum;
    return;
  }
  for (std::size_t tree = 0; tree < forest.tops.size(); ++tree) {
    addLeaf(forest, tree, leafOf<T, kWide>(forest, tree, registers, row), sums);
  }
}

template <class T, bool kWide>
void addToRows(const MaskForest<T>& forest, const std::uint8_t* rows, std::size_t rowCount,
               T* sums) {
  for (std::size_t tree = 0; tree < forest.tops.size(); ++tree) {
    for (std::size_t i = 0; i < rowCount; ++i) {
      const std::uint8_t* const row = rows + i * kRowBytes;
      const T leaf = leafOf<T, kWide>(forest, tree, RowRegisters<kWide>(row), row);
      addLeaf(forest, tree, leaf, sums + i * forest.outputs);
    }
  }
}

}  // namespace

template <class T>
void addMasksAvx512(const MaskForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                    std::size_t rowCount, std::size_t stride, T* sums) {
  alignas(64) std::uint8_t bytes[kBlockRows * kRowBytes];
  const bool wide = columns.slots() > 64;
  for (std::size_t first = 0; first < rowCount; first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, rowCount - first);
    for (std::size_t i = 0; i < count; ++i) {
      rankRow<1>(columns, rows + (first + i) * stride, columns.features(), bytes + i * kRowBytes);
    }
    T* const blockSums = sums + first * forest.outputs;
    if (count == 1) {
      if (wide)
        addToRow<T, true>(forest, bytes, blockSums);
      else
        addToRow<T, false>(forest, bytes, blockSums);
      continue;
    }
    if (wide)
      addToRows<T, true>(forest, bytes, count, blockSums);
    else
      addToRows<T, false>(forest, bytes, count, blockSums);
  }
}

template void addMasksAvx512(const MaskForest<float>&, const ByteColumns<float>&, const float*,
                             std::size_t, std::size_t, float*);
template void addMasksAvx512(const MaskForest<double>&, const ByteColumns<double>&, const double*,
                             std::size_t, std::size_t, double*);

}  // namespace corbel::inference

#pragma clang attribute pop
