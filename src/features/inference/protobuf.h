// A protobuf message read field by field in place: bounds-checked, without recursion, without
// copies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace corbel::inference::protobuf {

using Bytes = std::span<const std::byte>;

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::varint;
  std::uint64_t value = 0;  // of varint, fixed64, fixed32
  Bytes bytes;              // of Wire::bytes: text, message or packed numbers
  std::string_view text() const;
};

// Calls `visit` for each field in the message's order. unprocessable: the message is broken (a
// field goes beyond the end, a varint is longer than 64 bits, a group or unknown wire type), or
// what `visit` returned.
Result<void> forEachField(Bytes message, const std::function<Result<void>(const Field&)>& visit);

// The numbers of a repeated field: one for Wire::varint, all of them for packed bytes; `add` takes
// each.
Result<void> forEachVarint(const Field& field, const std::function<void(std::uint64_t)>& add);
Result<void> forEachFixed32(const Field& field, const std::function<void(std::uint32_t)>& add);
Result<void> forEachFixed64(const Field& field, const std::function<void(std::uint64_t)>& add);

}  // namespace corbel::inference::protobuf
