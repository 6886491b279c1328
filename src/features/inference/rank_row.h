// Ranks of a row's values. Include inside the region of the target attribute, behind the
// processor's countBelow() and hasNan().
#pragma once
#include "byte_forest.h"

namespace corbel::inference {
namespace {

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
