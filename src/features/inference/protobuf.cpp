#include "protobuf.h"

#include <fmt/format.h>

namespace corbel::inference::protobuf {
namespace {

std::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorCode::unprocessable, fmt::format("the protobuf message is broken: {}", what));
}

// Takes the front of `rest`, 7 bits a byte, low bits first.
Result<std::uint64_t> takeVarint(Bytes& rest) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(rest.front());
    rest = rest.subspan(1);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return broken(rest.empty() ? "a number goes beyond the end" : "a number is longer than 64 bits");
}

Result<std::uint64_t> takeFixed(Bytes& rest, std::size_t size) {
  if (rest.size() < size) return broken("a number goes beyond the end");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::to_integer<std::uint64_t>(rest[i]) << (8 * i);
  }
  rest = rest.subspan(size);
  return value;
}

Result<Field> takeField(Bytes& rest) {
  CORBEL_TRY(const std::uint64_t tag, takeVarint(rest));
  const std::uint64_t number = tag >> 3;
  if (number == 0 || number > 0x1FFFFFFF) return broken(fmt::format("field number {}", number));
  Field field;
  field.number = static_cast<std::uint32_t>(number);
  switch (tag & 7) {
    case 0: {
      CORBEL_TRY(field.value, takeVarint(rest));
      return field;
    }
    case 1: {
      field.wire = Wire::fixed64;
      CORBEL_TRY(field.value, takeFixed(rest, 8));
      return field;
    }
    case 2: {
      field.wire = Wire::bytes;
      CORBEL_TRY(const std::uint64_t length, takeVarint(rest));
      if (length > rest.size()) return broken(fmt::format("field {} goes beyond the end", number));
      field.bytes = rest.first(length);
      rest = rest.subspan(length);
      return field;
    }
    case 5: {
      field.wire = Wire::fixed32;
      CORBEL_TRY(field.value, takeFixed(rest, 4));
      return field;
    }
    default:
      return broken(fmt::format("field {} has wire type {}", number, tag & 7));
  }
}

template <class Number>
Result<void> forEachFixed(const Field& field, Wire wire, const std::function<void(Number)>& add) {
  if (field.wire == wire) {
    add(static_cast<Number>(field.value));
    return {};
  }
  if (field.wire != Wire::bytes || field.bytes.size() % sizeof(Number) != 0) {
    return broken(fmt::format("field {} is not a list of numbers", field.number));
  }
  for (Bytes rest = field.bytes; !rest.empty();) {
    CORBEL_TRY(const std::uint64_t value, takeFixed(rest, sizeof(Number)));
    add(static_cast<Number>(value));
  }
  return {};
}

}  // namespace

std::string_view Field::text() const {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<void> forEachField(Bytes message, const std::function<Result<void>(const Field&)>& visit) {
  while (!message.empty()) {
    CORBEL_TRY(const Field field, takeField(message));
    CORBEL_CHECK(visit(field));
  }
  return {};
}

Result<void> forEachVarint(const Field& field, const std::function<void(std::uint64_t)>& add) {
  if (field.wire == Wire::varint) {
    add(field.value);
    return {};
  }
  if (field.wire != Wire::bytes) {
    return broken(fmt::format("field {} is not a list of integers", field.number));
  }
  for (Bytes rest = field.bytes; !rest.empty();) {
    CORBEL_TRY(const std::uint64_t value, takeVarint(rest));
    add(value);
  }
  return {};
}

Result<void> forEachFixed32(const Field& field, const std::function<void(std::uint32_t)>& add) {
  return forEachFixed<std::uint32_t>(field, Wire::fixed32, add);
}

Result<void> forEachFixed64(const Field& field, const std::function<void(std::uint64_t)>& add) {
  return forEachFixed<std::uint64_t>(field, Wire::fixed64, add);
}

}  // namespace corbel::inference::protobuf
