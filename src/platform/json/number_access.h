// Integers and enumerators of any width through a pointer without type.
#pragma once
#include <cstdint>
#include <cstring>

#include "json/type.h"

namespace corbel::json {

template <class Narrow>
std::int64_t loadAs(const void* from) {
  Narrow value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<std::int64_t>(value);
}

// Unsigned values above the range of std::int64_t come out as their bits.
inline std::int64_t loadInteger(const Type& type, const void* from) {
  switch (type.size) {
    case 1:
      return type.isSigned ? loadAs<std::int8_t>(from) : loadAs<std::uint8_t>(from);
    case 2:
      return type.isSigned ? loadAs<std::int16_t>(from) : loadAs<std::uint16_t>(from);
    case 4:
      return type.isSigned ? loadAs<std::int32_t>(from) : loadAs<std::uint32_t>(from);
    default:
      return loadAs<std::int64_t>(from);
  }
}

// Precondition: `value` fits. The low bytes come first on every machine that Corbel is built for.
inline void storeInteger(const Type& type, void* to, std::int64_t value) {
  std::memcpy(to, &value, type.size);
}

struct IntegerRange {
  std::int64_t min;
  std::int64_t max;
};

// What a member of the type holds; for std::uint64_t only up to the maximum of std::int64_t.
inline IntegerRange rangeOf(const Type& type) {
  if (type.size == 8) return {type.isSigned ? INT64_MIN : 0, INT64_MAX};
  const int bits = type.size * 8;
  if (!type.isSigned) return {0, (std::int64_t{1} << bits) - 1};
  return {-(std::int64_t{1} << (bits - 1)), (std::int64_t{1} << (bits - 1)) - 1};
}

}  // namespace corbel::json
