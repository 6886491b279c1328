// Ranks of many rows' values with AVX-512: 16 binary searches at once in a tree that stays in
// registers. Include inside the region of the target attribute, behind avx512.h.
#pragma once
#include <algorithm>
#include <iterator>

#include "rank_row.h"
#include "scratch.h"

namespace corbel::inference {
namespace {

// Values of the 2^kBits places from `first` on, by the low bits of each place.
template <int kBits>
[[gnu::always_inline]] inline __m512 valuesAt(const __m512* first, __m512i places) {
  if constexpr (kBits <= 4) {
    return _mm512_permutexvar_ps(places, first[0]);
  } else if constexpr (kBits == 5) {
    return _mm512_permutex2var_ps(first[0], places, first[1]);
  } else {
    constexpr int kHalf = 1 << (kBits - 1);
    const __mmask16 upper = _mm512_test_epi32_mask(places, _mm512_set1_epi32(kHalf));
    return _mm512_mask_mov_ps(valuesAt<kBits - 1>(first, places), upper,
                              valuesAt<kBits - 1>(first + kHalf / 16, places));
  }
}

// Goes down from level kLevel to the last of kDepth levels.
template <int kLevel, int kDepth>
[[gnu::always_inline]] inline __m512i search(const __m512* tree, __m512 x, __m512i places) {
  if constexpr (kLevel == kDepth) {
    return places;
  } else {
    // The first four levels share a register, in which a place is its own index.
    const __m512 pivots = valuesAt<kLevel>(kLevel < 4 ? tree : tree + (1 << kLevel) / 16, places);
    const __mmask16 right = _mm512_cmp_ps_mask(x, pivots, _CMP_GT_OQ);
    const __m512i left = _mm512_add_epi32(places, places);
    return search<kLevel + 1, kDepth>(
        tree, x, _mm512_mask_add_epi32(left, right, left, _mm512_set1_epi32(1)));
  }
}

constexpr std::size_t kTile = 16;

// 16 x 16 numbers: rows become columns. Two steps within quarters of a register, two between them.
[[gnu::always_inline]] inline void transpose(__m512 (&tile)[kTile]) {
  __m512d pairs[kTile];
  for (std::size_t i = 0; i < kTile; i += 2) {
    pairs[i] = _mm512_castps_pd(_mm512_unpacklo_ps(tile[i], tile[i + 1]));
    pairs[i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(tile[i], tile[i + 1]));
  }
  for (std::size_t i = 0; i < kTile; i += 4) {
    tile[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[i], pairs[i + 2]));
    tile[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[i], pairs[i + 2]));
    tile[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[i + 1], pairs[i + 3]));
    tile[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[i + 1], pairs[i + 3]));
  }
  __m512 halves[kTile];
  for (std::size_t i = 0; i < 4; ++i) {
    halves[i] = _mm512_shuffle_f32x4(tile[i], tile[i + 4], 0x88);
    halves[i + 4] = _mm512_shuffle_f32x4(tile[i], tile[i + 4], 0xDD);
    halves[i + 8] = _mm512_shuffle_f32x4(tile[i + 8], tile[i + 12], 0x88);
    halves[i + 12] = _mm512_shuffle_f32x4(tile[i + 8], tile[i + 12], 0xDD);
  }
  for (std::size_t i = 0; i < 8; ++i) {
    tile[i] = _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0x88);
    tile[i + 8] = _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0xDD);
  }
}

// Rows that are ranked together; their features lie together while that is done.
constexpr std::size_t kRankRows = 64;

// features[feature * kRankRows + i] becomes the feature of row i; the last row fills up to a
// multiple of 16.
inline void gatherFeatures(const float* rows, std::size_t rowCount, std::size_t stride,
                           std::size_t featureCount, float* features) {
  for (std::size_t row = 0; row < rowCount; row += kTile) {
    for (std::size_t first = 0; first < featureCount; first += kTile) {
      const std::size_t left = featureCount - first;
      const auto active = static_cast<__mmask16>(left >= kTile ? 0xFFFF : (1U << left) - 1);
      __m512 tile[kTile];
      for (std::size_t i = 0; i < kTile; ++i) {
        tile[i] =
            _mm512_maskz_loadu_ps(active, rows + std::min(row + i, rowCount - 1) * stride + first);
      }
      transpose(tile);
      for (std::size_t i = 0; i < kTile; ++i)
        _mm512_store_ps(features + (first + i) * kRankRows + row, tile[i]);
    }
  }
}

template <int kDepth, std::size_t kSlotStride>
void rankScale(const RankLine<float>* lines, const Scale& scale, const float* feature,
               std::size_t rowCount, std::uint8_t* bytes) {
  __m512 tree[kDepth <= 4 ? 1 : (1 << kDepth) / 16];
  for (std::size_t i = 0; i < std::size(tree); ++i) {
    tree[i] = _mm512_load_ps(lines[scale.firstSearchLine + i].thresholds);
  }
  const __m512i ranks = _mm512_set1_epi32((1 << kDepth) - 1);
  for (std::size_t i = 0; i < rowCount; i += kTile) {
    const __m512 x = _mm512_load_ps(feature + i);
    const __m512i low = _mm512_and_si512(search<0, kDepth>(tree, x, _mm512_set1_epi32(1)), ranks);
    const __mmask16 missing = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i high = _mm512_mask_mov_epi32(low, missing, _mm512_set1_epi32(255));
    std::uint8_t* const target = bytes + i;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + scale.lowSlot * kSlotStride),
                     _mm512_cvtepi32_epi8(low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + scale.highSlot * kSlotStride),
                     _mm512_cvtepi32_epi8(high));
  }
}

template <std::size_t kSlotStride>
void rankScale(const RankLine<float>* lines, const Scale& scale, const float* feature,
               std::size_t rowCount, std::uint8_t* bytes) {
  switch (scale.searchDepth) {
    case 1:
      return rankScale<1, kSlotStride>(lines, scale, feature, rowCount, bytes);
    case 2:
      return rankScale<2, kSlotStride>(lines, scale, feature, rowCount, bytes);
    case 3:
      return rankScale<3, kSlotStride>(lines, scale, feature, rowCount, bytes);
    case 4:
      return rankScale<4, kSlotStride>(lines, scale, feature, rowCount, bytes);
    case 5:
      return rankScale<5, kSlotStride>(lines, scale, feature, rowCount, bytes);
    case 6:
      return rankScale<6, kSlotStride>(lines, scale, feature, rowCount, bytes);
    case 7:
      return rankScale<7, kSlotStride>(lines, scale, feature, rowCount, bytes);
    default:
      return rankScale<8, kSlotStride>(lines, scale, feature, rowCount, bytes);
  }
}

// bytes[slot * kSlotStride + i] becomes row i's byte of the slot; a few more rows are written, to a
// multiple of 16.
template <std::size_t kSlotStride>
void rankRows(const ByteColumns<float>& columns, const float* rows, std::size_t rowCount,
              std::size_t stride, std::uint8_t* bytes) {
  const std::size_t width = (columns.features() + kTile - 1) / kTile * kTile;
  Scratch<float, 64 * kRankRows> features(width * kRankRows);
  for (std::size_t first = 0; first < rowCount; first += kRankRows) {
    const std::size_t count = std::min(kRankRows, rowCount - first);
    gatherFeatures(rows + first * stride, count, stride, columns.features(), features.data());
    for (const Scale& scale : columns.scales()) {
      rankScale<kSlotStride>(columns.lines(), scale, features.data() + scale.feature * kRankRows,
                             count, bytes + first);
    }
  }
  for (std::size_t i = 0; i < rowCount && columns.finishesEveryRow(); ++i) {
    columns.finishRow(rows + i * stride, bytes + i, kSlotStride);
  }
}

}  // namespace
}  // namespace corbel::inference
