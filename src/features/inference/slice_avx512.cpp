#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>

#include "kernels.h"
#include "scratch.h"

#pragma clang attribute push(                                                                 \
    __attribute__((                                                                           \
        target("avx2,bmi,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))), \
    apply_to = function)

#include "avx512.h"
// Behind the processor's functions.
#include "rank_avx512.h"

namespace corbel::inference {
namespace {

constexpr std::size_t kWordRows = 64;
constexpr std::size_t kWords = 8;
constexpr std::size_t kBlockRows = kWords * kWordRows;

constexpr std::size_t kFeaturesPerScale = 8;

// A bit for each row of a block.
struct alignas(64) RowMask {
  std::uint64_t words[kWords];
};

// The masks of one tree: by place, and the place that nobody reads.
template <class T>
struct Masks {
  RowMask at[SliceForest<T>::kMasksMax + 1];
};

// Rows whose byte is above the rank, for every test.
void runTests(const std::vector<ByteTest>& tests, const std::uint8_t* bytes, std::size_t words,
              RowMask* results) {
  const ByteTest* const first = tests.data();
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const __m512i rank = _mm512_set1_epi8(static_cast<char>(first[i].rank));
    const std::uint8_t* const values = bytes + first[i].slot * kBlockRows;
    for (std::size_t word = 0; word < words; ++word) {
      results[i].words[word] =
          _mm512_cmpgt_epu8_mask(_mm512_load_si512(values + word * kWordRows), rank);
    }
  }
}

// The subtree at `kPlace` of a complete tree of kLevels more levels, for the rows in `here`.
template <int kLevels, std::size_t kPlace>
[[gnu::always_inline]] inline void descend(const std::uint32_t* tests, const RowMask* results,
                                           __m512i here, __m512i* planes) {
  const __m512i result = _mm512_load_si512(&results[tests[kPlace]]);
  const __m512i right = _mm512_and_si512(result, here);
  planes[kLevels - 1] = _mm512_or_si512(planes[kLevels - 1], right);
  if constexpr (kLevels > 1) {
    descend<kLevels - 1, 2 * kPlace>(tests, results, _mm512_andnot_si512(result, here), planes);
    descend<kLevels - 1, 2 * kPlace + 1>(tests, results, right, planes);
  }
}

template <int kDepth>
void runFullTree(const std::uint32_t* tests, const RowMask* results, RowMask* planes) {
  __m512i joined[kDepth];
  for (__m512i& plane : joined) plane = _mm512_setzero_si512();
  descend<kDepth, 1>(tests, results, _mm512_set1_epi32(-1), joined);
  for (int i = 0; i < kDepth; ++i) _mm512_store_si512(&planes[i], joined[i]);
}

void runFullTree(std::uint32_t depth, const std::uint32_t* tests, const RowMask* results,
                 RowMask* planes) {
  for (std::uint32_t i = depth; i < 5; ++i) planes[i] = RowMask{};
  switch (depth) {
    case 1:
      return runFullTree<1>(tests, results, planes);
    case 2:
      return runFullTree<2>(tests, results, planes);
    case 3:
      return runFullTree<3>(tests, results, planes);
    case 4:
      return runFullTree<4>(tests, results, planes);
    case 5:
      return runFullTree<5>(tests, results, planes);
    case 6:
      return runFullTree<6>(tests, results, planes);
    case 7:
      return runFullTree<7>(tests, results, planes);
    default:
      return runFullTree<8>(tests, results, planes);
  }
}

template <class Step>
void runSteps(const Step* steps, std::uint32_t count, const RowMask* results, RowMask* at) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const Step& step = steps[i];
    const __m512i here = _mm512_load_si512(&at[step.from]);
    const __m512i result = _mm512_load_si512(&results[step.test]);
    _mm512_store_si512(&at[step.left], _mm512_andnot_si512(result, here));
    _mm512_store_si512(&at[step.right], _mm512_and_si512(result, here));
  }
}

inline void joinPlanes(const std::uint16_t* members, std::uint32_t planeCount, const RowMask* at,
                       RowMask* planes) {
  for (std::uint32_t plane = 0; plane < planeCount; ++plane) {
    const std::uint16_t count = *members++;
    __m512i joined = _mm512_setzero_si512();
    for (std::uint16_t i = 0; i < count; ++i)
      joined = _mm512_or_si512(joined, _mm512_load_si512(&at[*members++]));
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
    const __m512i wide =
        _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes + i)));
    _mm512_store_ps(sums + i,
                    _mm512_add_ps(_mm512_load_ps(sums + i), lookUp<kPlanes>(table, wide)));
  }
}

template <std::uint32_t kPlanes>
[[gnu::always_inline]] inline void addLeaves(const double* table, __m512i numbers, double* sums) {
  alignas(64) std::uint8_t bytes[kWordRows];
  _mm512_store_si512(bytes, numbers);
  for (std::size_t i = 0; i < kWordRows; i += 8) {
    const __m256i wide =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i)));
    const __m512d values = _mm512_i32gather_pd(wide, table, sizeof(double));
    _mm512_store_pd(sums + i, _mm512_add_pd(_mm512_load_pd(sums + i), values));
  }
}

template <class T, std::uint32_t kPlanes>
void addTree(const SliceForest<T>& forest, const typename SliceForest<T>::Root& root,
             const RowMask* planes, std::size_t words, T* sums) {
  const T* const table = forest.leaves.data() + root.firstLeaf;
  const std::size_t tables = forest.vectorLeaves ? forest.outputs : 1;
  for (std::size_t word = 0; word < words; ++word) {
    const __m512i numbers = leafNumbers<kPlanes>(planes, word);
    for (std::size_t i = 0; i < tables; ++i) {
      addLeaves<kPlanes>(table + (i << kPlanes), numbers,
                         sums + (root.output + i) * kBlockRows + word * kWordRows);
    }
  }
}

template <class T>
void rankBlock(const ByteColumns<T>& columns, const T* rows, std::size_t count, std::size_t stride,
               std::uint8_t* bytes) {
  if constexpr (std::is_same_v<T, float>) {
    // Else most of the features that were brought together would not be looked at.
    if (columns.features() <= kFeaturesPerScale * columns.scales().size()) {
      return rankRows<kBlockRows>(columns, rows, count, stride, bytes);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    rankRow<kBlockRows>(columns, rows + i * stride, columns.features(), bytes + i);
  }
}

template <class T>
void addTrees(const SliceForest<T>& forest, const RowMask* results, std::size_t words, T* sums) {
  Masks<T> masks;
  RowMask planes[8];
  _mm512_store_si512(&masks.at[0], _mm512_set1_epi32(-1));
  for (const auto& root : forest.roots) {
    if (root.fullDepth > 0) {
      runFullTree(root.fullDepth, forest.fullTests.data() + root.firstTest, results, planes);
    } else {
      runSteps(forest.steps.data() + root.firstStep, root.stepCount, results, masks.at);
      joinPlanes(forest.planeMembers.data() + root.firstMember, root.planeCount, masks.at, planes);
    }
    switch (root.planeCount) {
      case 5:
        addTree<T, 5>(forest, root, planes, words, sums);
        break;
      case 6:
        addTree<T, 6>(forest, root, planes, words, sums);
        break;
      case 7:
        addTree<T, 7>(forest, root, planes, words, sums);
        break;
      default:
        addTree<T, 8>(forest, root, planes, words, sums);
        break;
    }
  }
}

}  // namespace

template <class T>
void addSlicesAvx512(const SliceForest<T>& forest, const ByteColumns<T>& columns, const T* rows,
                     std::size_t rowCount, std::size_t stride, T* sums) {
  const std::size_t outputs = forest.outputs;
  Scratch<std::uint8_t, 64 * kBlockRows> bytes((columns.slots() + 1) * kBlockRows);
  Scratch<T, 4 * kBlockRows> blockSums(outputs * kBlockRows);
  Scratch<RowMask, 16> results(forest.tests.size());
  for (std::size_t first = 0; first < rowCount; first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, rowCount - first);
    const std::size_t words = (count + kWordRows - 1) / kWordRows;
    T* const rowSums = sums + first * outputs;
    rankBlock(columns, rows + first * stride, count, stride, bytes.data());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < outputs; ++j)
        blockSums.data()[j * kBlockRows + i] = rowSums[i * outputs + j];
    }
    runTests(forest.tests, bytes.data(), words, results.data());
    addTrees(forest, results.data(), words, blockSums.data());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < outputs; ++j)
        rowSums[i * outputs + j] = blockSums.data()[j * kBlockRows + i];
    }
  }
}

template void addSlicesAvx512(const SliceForest<float>&, const ByteColumns<float>&, const float*,
                              std::size_t, std::size_t, float*);
template void addSlicesAvx512(const SliceForest<double>&, const ByteColumns<double>&, const double*,
                              std::size_t, std::size_t, double*);

}  // namespace corbel::inference

#pragma clang attribute pop
