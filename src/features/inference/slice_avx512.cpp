#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "scratch.h"

#pragma clang attribute push(                                                                            \
    __attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))), \
    apply_to = function)

#include "avx512.h"
// Behind the processor's functions.
#include "rank_row.h"

namespace corbel::inference {
namespace {

constexpr std::size_t kWordRows = 64;
constexpr std::size_t kWords = 8;
constexpr std::size_t kBlockRows = kWords * kWordRows;

// A bit for each row of a block.
struct alignas(64) RowMask {
  std::uint64_t words[kWords];
};

// The masks of one tree: by place, and the place that nobody reads.
template <class T>
struct Masks {
  RowMask at[SliceForest<T>::kMasksMax + 1];
};

// Results of so many tests are collected before they are combined: a register is loaded from eight stores, which the
// processor does only after they have reached the cache.
constexpr std::uint32_t kChunk = 16;

template <class T>
[[gnu::always_inline]] inline void runSteps(const typename SliceForest<T>::Step* steps, std::uint32_t count,
                                            const std::uint8_t* bytes, std::size_t words, RowMask* at) {
  RowMask results[kChunk];
  for (std::uint32_t first = 0; first < count; first += kChunk) {
    const std::uint32_t chunk = std::min(kChunk, count - first);
    for (std::uint32_t i = 0; i < chunk; ++i) {
      const auto& step = steps[first + i];
      const __m512i rank = _mm512_set1_epi8(static_cast<char>(step.rank));
      const std::uint8_t* const values = bytes + step.slot * kBlockRows;
      for (std::size_t word = 0; word < words; ++word) {
        results[i].words[word] = _mm512_cmpgt_epu8_mask(_mm512_load_si512(values + word * kWordRows), rank);
      }
    }
    for (std::uint32_t i = 0; i < chunk; ++i) {
      const auto& step = steps[first + i];
      const __m512i here = _mm512_load_si512(&at[step.from]);
      const __m512i right = _mm512_load_si512(&results[i]);
      _mm512_store_si512(&at[step.left], _mm512_andnot_si512(right, here));
      _mm512_store_si512(&at[step.right], _mm512_and_si512(right, here));
    }
  }
}

inline void joinPlanes(const std::uint16_t* members, std::uint32_t planeCount, const RowMask* at, RowMask* planes) {
  for (std::uint32_t plane = 0; plane < planeCount; ++plane) {
    const std::uint16_t count = *members++;
    __m512i joined = _mm512_setzero_si512();
    for (std::uint16_t i = 0; i < count; ++i) joined = _mm512_or_si512(joined, _mm512_load_si512(&at[*members++]));
    _mm512_store_si512(&planes[plane], joined);
  }
}

// Leaf numbers of 64 rows, a byte each.
template <std::uint32_t kPlanes>
[[gnu::always_inline]] inline __m512i leafNumbers(const RowMask* planes, std::size_t word) {
  __m512i numbers = _mm512_setzero_si512();
  for (std::uint32_t plane = 0; plane < kPlanes; ++plane) {
    const __m512i bit = _mm512_set1_epi8(static_cast<char>(1U << plane));
    numbers = _mm512_mask_add_epi8(numbers, planes[plane].words[word], numbers, bit);
  }
  return numbers;
}

// Values of a table of 2^kPlanes at 16 numbers.
template <std::uint32_t kPlanes>
[[gnu::always_inline]] inline __m512 lookUp(const float* table, __m512i numbers) {
  if constexpr (kPlanes == 5) {
    return _mm512_permutex2var_ps(_mm512_loadu_ps(table), numbers, _mm512_loadu_ps(table + 16));
  } else {
    constexpr std::uint32_t kHalf = 1U << (kPlanes - 1);
    const __mmask16 upper = _mm512_test_epi32_mask(numbers, _mm512_set1_epi32(kHalf));
    return _mm512_mask_mov_ps(lookUp<kPlanes - 1>(table, numbers), upper,
                              lookUp<kPlanes - 1>(table + kHalf, numbers));
  }
}

template <std::uint32_t kPlanes>
[[gnu::always_inline]] inline void addLeaves(const float* table, __m512i numbers, float* sums) {
  alignas(64) std::uint8_t bytes[kWordRows];
  _mm512_store_si512(bytes, numbers);
  for (std::size_t i = 0; i < kWordRows; i += 16) {
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes + i)));
    _mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i), lookUp<kPlanes>(table, wide)));
  }
}

template <std::uint32_t kPlanes>
[[gnu::always_inline]] inline void addLeaves(const double* table, __m512i numbers, double* sums) {
  alignas(64) std::uint8_t bytes[kWordRows];
  _mm512_store_si512(bytes, numbers);
  for (std::size_t i = 0; i < kWordRows; i += 8) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i)));
    const __m512d values = _mm512_i32gather_pd(wide, table, sizeof(double));
    _mm512_store_pd(sums + i, _mm512_add_pd(_mm512_load_pd(sums + i), values));
  }
}

template <class T, std::uint32_t kPlanes>
void addTree(const SliceForest<T>& forest, const typename SliceForest<T>::Root& root, const RowMask* planes,
             std::size_t words, T* sums) {
  const T* const table = forest.leaves.data() + root.firstLeaf;
  const std::size_t tables = forest.vectorLeaves ? forest.outputs : 1;
  for (std::size_t word = 0; word < words; ++word) {
    const __m512i numbers = leafNumbers<kPlanes>(planes, word);
    for (std::size_t i = 0; i < tables; ++i) {
      addLeaves<kPlanes>(table + (i << kPlanes), numbers, sums + (root.output + i) * kBlockRows + word * kWordRows);
    }
  }
}

template <class T>
void addTrees(const SliceForest<T>& forest, const std::uint8_t* bytes, std::size_t words, T* sums) {
  Masks<T> masks;
  RowMask planes[8];
  _mm512_store_si512(&masks.at[0], _mm512_set1_epi32(-1));
  for (const auto& root : forest.roots) {
    runSteps<T>(forest.steps.data() + root.firstStep, root.stepCount, bytes, words, masks.at);
    joinPlanes(forest.planeMembers.data() + root.firstMember, root.planeCount, masks.at, planes);
    switch (root.planeCount) {
      case 5: addTree<T, 5>(forest, root, planes, words, sums); break;
      case 6: addTree<T, 6>(forest, root, planes, words, sums); break;
      case 7: addTree<T, 7>(forest, root, planes, words, sums); break;
      default: addTree<T, 8>(forest, root, planes, words, sums); break;
    }
  }
}

}  // namespace

template <class T>
void addSlicesAvx512(const SliceForest<T>& forest, const ByteColumns<T>& columns, const T* rows, std::size_t rowCount,
                     std::size_t stride, T* sums) {
  const std::size_t outputs = forest.outputs;
  Scratch<std::uint8_t, 64 * kBlockRows> bytes((columns.slots() + 1) * kBlockRows);
  Scratch<T, 4 * kBlockRows> blockSums(outputs * kBlockRows);
  for (std::size_t first = 0; first < rowCount; first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, rowCount - first);
    const std::size_t words = (count + kWordRows - 1) / kWordRows;
    T* const rowSums = sums + first * outputs;
    for (std::size_t i = 0; i < words * kWordRows; ++i) {
      const std::size_t row = std::min(i, count - 1);  // the last row again, to fill its word
      rankRow<kBlockRows>(columns, rows + (first + row) * stride, columns.features(), bytes.data() + i);
      for (std::size_t j = 0; j < outputs; ++j) blockSums.data()[j * kBlockRows + i] = rowSums[row * outputs + j];
    }
    addTrees(forest, bytes.data(), words, blockSums.data());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < outputs; ++j) rowSums[i * outputs + j] = blockSums.data()[j * kBlockRows + i];
    }
  }
}

template void addSlicesAvx512(const SliceForest<float>&, const ByteColumns<float>&, const float*, std::size_t,
                              std::size_t, float*);
template void addSlicesAvx512(const SliceForest<double>&, const ByteColumns<double>&, const double*, std::size_t,
                              std::size_t, double*);

}  // namespace corbel::inference

#pragma clang attribute pop
