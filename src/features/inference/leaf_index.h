// With vector leaves a leaf holds, in place of its value, the index of its values. A float names
// integers only up to 2^24 exactly, so the index is kept as bits.
#pragma once
#include <cstdint>

namespace corbel::inference {

template <class T>
T fromIndex(std::uint32_t index) {
  T value = 0;
  __builtin_memcpy(&value, &index, sizeof(index));
  return value;
}

template <class T>
std::uint32_t toIndex(T value) {
  std::uint32_t index = 0;
  __builtin_memcpy(&index, &value, sizeof(index));
  return index;
}

}  // namespace corbel::inference
