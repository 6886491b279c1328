#include "postgres_row.h"

#include <fmt/format.h>

#include <bit>
#include <optional>

namespace corbel::store {
namespace {

// pg_type.dat
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kName = 19;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kVarchar = 1043;

Oid oidOf(Kind kind) {
  switch (kind) {
    case Kind::boolean:
      return kBool;
    case Kind::integer:
      return kInt8;
    case Kind::real:
      return kFloat8;
    case Kind::text:
      return kText;
    case Kind::bytes:
      return kBytea;
  }
  std::unreachable();
}

Kind kindOf(const Value& value) {
  if (const auto* null = std::get_if<Null>(&value)) return null->kind;
  constexpr std::array kKinds{Kind::boolean, Kind::integer, Kind::real, Kind::text, Kind::bytes};
  return kKinds[value.index() - 1];
}

std::uint64_t bigEndian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

std::optional<std::int64_t> integerOf(Oid type, std::string_view raw) {
  const std::uint64_t bits = bigEndian(raw);
  if (type == kInt8) return static_cast<std::int64_t>(bits);
  if (type == kInt4) return static_cast<std::int32_t>(bits);
  if (type == kInt2) return static_cast<std::int16_t>(bits);
  return std::nullopt;
}

}  // namespace

PostgresValues::PostgresValues(std::span<const Value> values) {
  for (const Value& value : values) add(value);
}

std::string PostgresValues::kindsOf(std::span<const Value> values) {
  std::string kinds;
  for (const Value& value : values)
    kinds += static_cast<char>('0' + static_cast<int>(kindOf(value)));
  return kinds;
}

void PostgresValues::add(const Value& value) {
  types_.push_back(oidOf(kindOf(value)));
  formats_.push_back(1);
  if (const auto* truth = std::get_if<bool>(&value)) return addNumber(*truth ? 1 : 0, 1);
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return addNumber(static_cast<std::uint64_t>(*number), 8);
  if (const auto* number = std::get_if<double>(&value))
    return addNumber(std::bit_cast<std::uint64_t>(*number), 8);
  std::string_view bytes;
  if (const auto* text = std::get_if<std::string_view>(&value)) bytes = *text;
  if (const auto* blob = std::get_if<Bytes>(&value))
    bytes = {reinterpret_cast<const char*>(blob->data()), blob->size()};
  const char* const start = bytes.data() == nullptr ? "" : bytes.data();  // a null pointer is NULL
  starts_.push_back(std::holds_alternative<Null>(value) ? nullptr : start);
  lengths_.push_back(static_cast<int>(bytes.size()));
}

void PostgresValues::addNumber(std::uint64_t bits, std::size_t bytes) {
  auto& number = numbers_.emplace_back();
  for (std::size_t i = 0; i < bytes; ++i)
    number[i] = static_cast<char>(bits >> (8 * (bytes - 1 - i)) & 0xff);
  starts_.push_back(number.data());
  lengths_.push_back(static_cast<int>(bytes));
}

std::string_view PostgresRow::raw(int column) const {
  return {PQgetvalue(answer_, row_, column),
          static_cast<std::size_t>(PQgetlength(answer_, row_, column))};
}

bool PostgresRow::isNull(int column) const {
  if (has(column)) return PQgetisnull(answer_, row_, column) == 1;
  refuse(column, "a column of the query");
  return true;
}

bool PostgresRow::boolean(int column) const {
  if (type(column) == kBool && !isNull(column)) return raw(column) != std::string_view("\0", 1);
  return integer64(column) != 0;
}

std::int64_t PostgresRow::integer64(int column) const {
  const auto number = isNull(column) ? std::nullopt : integerOf(type(column), raw(column));
  if (!number) refuse(column, "an integer");
  return number.value_or(0);
}

double PostgresRow::real(int column) const {
  if (isNull(column)) {
    refuse(column, "a number");
    return 0;
  }
  const std::uint64_t bits = bigEndian(raw(column));
  if (type(column) == kFloat8) return std::bit_cast<double>(bits);
  if (type(column) == kFloat4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  return static_cast<double>(integer64(column));
}

std::string_view PostgresRow::text(int column) const {
  const Oid found = type(column);
  const bool isText = found == kText || found == kVarchar || found == kName;
  if (isText && !isNull(column)) return raw(column);
  refuse(column, "text");
  return {};
}

Bytes PostgresRow::bytes(int column) const {
  if (type(column) == kBytea && !isNull(column)) return std::as_bytes(std::span(raw(column)));
  refuse(column, "bytes");
  return {};
}

void PostgresRow::refuse(int column, std::string_view wanted) const {
  if (refusal_.empty()) refusal_ = fmt::format("column {} is not {}", column, wanted);
}

}  // namespace corbel::store
