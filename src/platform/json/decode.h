// Reads described values out of JSON and of URL queries. Every problem is found at once and named
// by its JSON pointer.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "json/describe.h"

namespace corbel::json {

enum class Policy : std::uint8_t {
  strict,   // fields that are not described are refused
  lenient,  // they are passed over, when they are valid JSON
};

namespace detail {

// Fills `object` of type `type`. It is half-filled when there is an error.
Result<void> decodeInto(std::string_view json, const Type& type, void* object, Policy policy);
Result<void> decodeQueryInto(std::string_view query, const Type& type, void* object);

// The types one can reach from `type`, itself included, until there are too many to tell.
struct Reachable {
  std::array<const Type*, 256> types{};
  std::size_t count = 0;

  constexpr void add(const Type* type) {
    if (type == nullptr || count == types.size()) return;
    if (std::find(types.begin(), types.begin() + count, type) != types.begin() + count) return;
    types[count++] = type;
    add(type->element);
    for (const Field& field : type->fields) add(field.type);
  }
};

constexpr bool reaches(const Type& type, Kind kind) {
  Reachable reachable;
  reachable.add(&type);
  return std::any_of(reachable.types.begin(), reachable.types.begin() + reachable.count,
                     [kind](const Type* found) { return found->kind == kind; });
}

}  // namespace detail

// A T from the one JSON value in `json`, which members of type Raw point into.
//
// invalid_argument, `fields` says what is wrong where:
//   malformed text    one entry, of the value that the text breaks in. Nesting beyond
//                     limits::kJsonDepth, bytes that are not UTF-8, halves of surrogate pairs and
//                     text behind the value are malformed
//   everything else   an entry for each field that is missing, unknown, given twice, of the wrong
//                     type, or against its rule, up to limits::kFieldErrors; then reading stops
// null for a member that may be absent means absent; for a Patch it clears. Integers are written
// without fraction and exponent (5, not 5.0 or 5e0). Numbers beyond double (1e400) are refused, NaN
// is not JSON.
template <class T>
Result<T> decode(std::string_view json, Policy policy = Policy::strict) {
  static_assert(!detail::reaches(kType<T>, Kind::view),
                "nothing would own the text of a std::string_view");
  T value{};
  CORBEL_CHECK(detail::decodeInto(json, kType<T>, &value, policy));
  return value;
}

// A T from a URL's query ("limit=50&status=ready", not yet decoded). The same rules and errors as
// for JSON, with pointers as in "?limit". '+' is a space. A parameter given twice is refused.
// Members are scalars or optional scalars; internal: T has others.
template <class T>
Result<T> decodeQuery(std::string_view query) {
  T value{};
  CORBEL_CHECK(detail::decodeQueryInto(query, kType<T>, &value));
  return value;
}

}  // namespace corbel::json
