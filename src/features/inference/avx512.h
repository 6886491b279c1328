// What the AVX-512 kernels share. Include inside the region of the target attribute.
#pragma once
#include <immintrin.h>

#include "byte_forest.h"
#include "mask_forest.h"

namespace corbel::inference {
namespace {

[[gnu::always_inline]] inline unsigned countBelow(const RankLine<float>& line, float x) {
  const __mmask16 below =
      _mm512_cmp_ps_mask(_mm512_load_ps(line.thresholds), _mm512_set1_ps(x), _CMP_LT_OQ);
  return static_cast<unsigned>(__builtin_popcount(below));
}

[[gnu::always_inline]] inline unsigned countBelow(const RankLine<double>& line, double x) {
  const __m512d value = _mm512_set1_pd(x);
  const __mmask8 low = _mm512_cmp_pd_mask(_mm512_load_pd(line.thresholds), value, _CMP_LT_OQ);
  const __mmask8 high = _mm512_cmp_pd_mask(_mm512_load_pd(line.thresholds + 8), value, _CMP_LT_OQ);
  return static_cast<unsigned>(
      __builtin_popcount(static_cast<unsigned>(low) | static_cast<unsigned>(high) << 8));
}

inline bool hasNan(const float* row, std::size_t count) {
  unsigned found = 0;
  for (std::size_t i = 0; i < count; i += 16) {
    const std::size_t left = count - i;
    const auto active = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1U << left) - 1);
    const __m512 values = _mm512_maskz_loadu_ps(active, row + i);
    found |= _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  }
  return found != 0;
}

inline bool hasNan(const double* row, std::size_t count) {
  unsigned found = 0;
  for (std::size_t i = 0; i < count; i += 8) {
    const std::size_t left = count - i;
    const auto active = static_cast<__mmask8>(left >= 8 ? 0xFF : (1U << left) - 1);
    const __m512d values = _mm512_maskz_loadu_pd(active, row + i);
    found |= _mm512_cmp_pd_mask(values, values, _CMP_UNORD_Q);
  }
  return found != 0;
}

// The highest bit of each byte.
inline std::uint64_t highBits(std::uint64_t bits) { return _pext_u64(bits, 0x8080'8080'8080'8080); }

// The bytes of one row, ready to be looked up by 64 tests at once.
template <bool kWide>
class Registers512 {
 public:
  explicit Registers512(const std::uint8_t* bytes)
      : low_(_mm512_load_si512(bytes)), high_(kWide ? _mm512_load_si512(bytes + 64) : low_) {}

  std::uint64_t testsThatGoRight(const MaskTop& top) const {
    return _mm512_cmpgt_epu8_mask(at(_mm512_load_si512(top.slots)), _mm512_load_si512(top.ranks));
  }

 private:
  __m512i at(__m512i slots) const {
    if constexpr (kWide)
      return _mm512_permutex2var_epi8(low_, slots, high_);
    else
      return _mm512_permutexvar_epi8(slots, low_);
  }

  __m512i low_;
  __m512i high_;
};

}  // namespace
}  // namespace corbel::inference
