// What the AVX2 kernels share. Include inside the region of the target attribute.
#pragma once
#include <immintrin.h>

#include "byte_forest.h"
#include "mask_forest.h"

namespace corbel::inference {
namespace {

inline unsigned below(const float* thresholds, __m256 x) {
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(thresholds), x, _CMP_LT_OQ)));
}

inline unsigned below(const double* thresholds, __m256d x) {
  return static_cast<unsigned>(
      _mm256_movemask_pd(_mm256_cmp_pd(_mm256_load_pd(thresholds), x, _CMP_LT_OQ)));
}

[[gnu::always_inline]] inline unsigned countBelow(const RankLine<float>& line, float x) {
  const __m256 value = _mm256_set1_ps(x);
  return static_cast<unsigned>(
      __builtin_popcount(below(line.thresholds, value) | below(line.thresholds + 8, value) << 8));
}

[[gnu::always_inline]] inline unsigned countBelow(const RankLine<double>& line, double x) {
  const __m256d value = _mm256_set1_pd(x);
  unsigned bits = 0;
  for (unsigned i = 0; i < 16; i += 4) bits |= below(line.thresholds + i, value) << i;
  return static_cast<unsigned>(__builtin_popcount(bits));
}

template <class T>
inline bool hasNan(const T* row, std::size_t count) {
  bool found = false;
  for (std::size_t i = 0; i < count; ++i) found |= row[i] != row[i];
  return found;
}

// The highest bit of each byte. By multiplication: pext takes hundreds of cycles on AMD before
// Zen 3.
inline std::uint64_t highBits(std::uint64_t bits) {
  return ((bits >> 7 & 0x0101'0101'0101'0101) * 0x0102'0408'1020'4080) >> 56;
}

// The bytes of one row, ready to be looked up by 32 tests at once. A look-up reaches 16 bytes;
// kTables of them are needed.
template <int kTables>
class Registers256 {
 public:
  explicit Registers256(const std::uint8_t* bytes) {
    for (int i = 0; i < kTables; ++i) {
      const __m128i table = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes) + i);
      tables_[i] = _mm256_broadcastsi128_si256(table);
    }
  }

  std::uint64_t testsThatGoRight(const MaskTop& top) const {
    return testsThatGoRight(top.slots, top.ranks) | testsThatGoRight(top.slots + 32, top.ranks + 32)
                                                        << 32;
  }

 private:
  std::uint64_t testsThatGoRight(const std::uint8_t* slots, const std::uint8_t* ranks) const {
    const __m256i values =
        at<0, kTables>(_mm256_load_si256(reinterpret_cast<const __m256i*>(slots)));
    const __m256i limits = _mm256_load_si256(reinterpret_cast<const __m256i*>(ranks));
    const __m256i notAbove = _mm256_cmpeq_epi8(_mm256_min_epu8(values, limits), values);
    return ~static_cast<std::uint32_t>(_mm256_movemask_epi8(notAbove));
  }

  // A blend looks at the highest bit of each byte: the bit of the slot that tells the tables'
  // halves apart is moved there.
  template <int kFirst, int kCount>
  __m256i at(__m256i slots) const {
    if constexpr (kCount == 1) {
      return _mm256_shuffle_epi8(tables_[kFirst], slots);
    } else {
      constexpr int kShift = kCount == 2 ? 3 : kCount == 4 ? 2 : 1;
      return _mm256_blendv_epi8(at<kFirst, kCount / 2>(slots),
                                at<kFirst + kCount / 2, kCount / 2>(slots),
                                _mm256_slli_epi16(slots, kShift));
    }
  }

  __m256i tables_[kTables];
};

}  // namespace
}  // namespace corbel::inference
