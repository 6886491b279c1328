// What the AVX-512 kernels share. Include inside the region of the target attribute.
#pragma once
#include <immintrin.h>

#include "byte_forest.h"

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

// bytes[slot * kSlotStride] becomes the row's byte of the slot.
template <std::size_t kSlotStride, class T>
inline void rankRow(const ByteColumns<T>& columns, const T* row, std::size_t features,
                    std::uint8_t* bytes) {
  const RankLine<T>* const lines = columns.lines();
  for (const Scale& scale : columns.scales()) {
    const T x = row[scale.feature];
    const RankLine<T>* const head = lines + scale.firstLine;
    const unsigned line = countBelow(*head, x);
    const auto rank = static_cast<std::uint8_t>(line * kRankWidth + countBelow(head[1 + line], x));
    bytes[scale.lowSlot * kSlotStride] = rank;
    bytes[scale.highSlot * kSlotStride] = rank;
  }
  if (columns.finishesEveryRow() || hasNan(row, features))
    columns.finishRow(row, bytes, kSlotStride);
}

}  // namespace
}  // namespace corbel::inference
