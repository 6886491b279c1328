// What holds for a member beyond its type. Checked by decode(), written into the schema.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace corbel::json {

// Forms of text that many fields share.
enum class Format : std::uint8_t {
  any,
  uuid,  // as IdSource makes them
  name,  // 1 to 128 letters, digits, '.', '_' and '-', the first a letter or digit: what users call
         // their things
};

struct Rule {
  std::string_view doc = {};       // one sentence for the API documentation
  std::string_view example = {};   // JSON, e.g. R"("breast-cancer")"
  std::optional<double> min = {};  // of numbers, inclusive
  std::optional<double> max = {};
  std::size_t minLength = 0;  // of text, in characters (code points)
  std::size_t maxLength = SIZE_MAX;
  std::size_t minItems = 0;  // of lists and maps
  std::size_t maxItems = 10'000;
  Format format = Format::any;
  bool optional = false;  // may be absent (or null): keeps the value the struct gives it
  bool nullable = false;  // an empty std::optional is written as null instead of being left out
};
// Rules of numbers and text reach through std::optional, Patch, std::vector and std::map to the
// values inside.

struct MemberRule {
  const void* member = nullptr;  // which one; unique in the program
  Rule rule;
};

namespace detail {
template <auto Member>
inline constexpr char kMemberId = 0;
}  // namespace detail

template <auto Member>
constexpr MemberRule rule(const Rule& rule) {
  return {&detail::kMemberId<Member>, rule};
}

}  // namespace corbel::json
