#include "json/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/id.h"
#include "base/json_text.h"
#include "base/text.h"
#include "json/cursor.h"
#include "json/number_access.h"
#include "json/rule.h"
#include "json/scan.h"
#include "json/type.h"

namespace corbel::json {
namespace {

constexpr std::size_t kShownValue = 64;  // bytes of a client's value in a message
constexpr std::size_t kShownName = 256;  // bytes of a client's field name in a pointer
constexpr std::size_t kShownNames = 12;  // of a list of what is allowed
constexpr std::size_t kNameLength = 128;

std::string_view cut(std::string_view text, std::size_t length = kShownValue) {
  if (text.size() <= length) return text;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return text.substr(0, length);
}

std::string between(std::string_view what, const std::string& min, const std::string& max) {
  if (min.empty() && max.empty()) return std::string(what);
  if (max.empty()) return fmt::format("{} of {} or more", what, min);
  if (min.empty()) return fmt::format("{} of {} or less", what, max);
  return fmt::format("{} from {} to {}", what, min, max);
}

std::string limit(const std::optional<double>& value) {
  return value ? plain(*value) : std::string();
}

std::string expectedInteger(const Type& type, const Rule& rule) {
  const IntegerRange range = rangeOf(type);
  const bool bounded = type.size < 8 || !type.isSigned;
  const auto bound = [&](const std::optional<double>& given, std::int64_t own) {
    return given ? plain(*given) : bounded ? std::to_string(own) : std::string();
  };
  return between("a whole number", bound(rule.min, range.min), bound(rule.max, range.max));
}

std::string expectedText(const Rule& rule) {
  switch (rule.format) {
    case Format::uuid:
      return "a UUID in lower case";
    case Format::name:
      return fmt::format(
          "a name of 1 to {} letters, digits, '.', '_' and '-' that begins with a letter or digit",
          kNameLength);
    case Format::any:
      break;
  }
  const bool least = rule.minLength > 0;
  const bool most = rule.maxLength != SIZE_MAX;
  if (least && most)
    return fmt::format("text of {} to {} characters", rule.minLength, rule.maxLength);
  if (least) return fmt::format("text of {} or more characters", rule.minLength);
  if (most) return fmt::format("text of at most {} characters", rule.maxLength);
  return "text";
}

template <class Items>
std::string listed(const Items& items) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& item : items) {
    if (shown == kShownNames) return out + fmt::format(" and {} more", std::size(items) - shown);
    if (shown++ > 0) out += ", ";
    out += item.name;
  }
  return out;
}

std::string expectedItems(std::string_view what, const Rule& rule) {
  if (rule.minItems > 0)
    return fmt::format("{} of {} to {} items", what, rule.minItems, rule.maxItems);
  return fmt::format("{} of at most {} items", what, rule.maxItems);
}

bool isName(std::string_view text) {
  const auto letterOrDigit = [](char c) {
    const char lower = lowerAscii(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kNameLength && letterOrDigit(text[0]) &&
         std::ranges::all_of(
             text, [&](char c) { return letterOrDigit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

std::string plain(double number) {
  if (std::abs(number) < 1e15 && number == std::floor(number)) return fmt::format("{:.0f}", number);
  return fmt::format("{}", number);
}

std::string expectation(const Type& type, const Rule& rule) {
  switch (type.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return expectedInteger(type, rule);
    case Kind::number:
      return between("a number", limit(rule.min), limit(rule.max));
    case Kind::text:
    case Kind::view:
      return expectedText(rule);
    case Kind::time:
      return "a time such as \"2026-01-31T12:00:00Z\"";
    case Kind::enumeration:
      return "one of " + listed(type.values);
    case Kind::object:
      return "an object";
    case Kind::array:
      return expectedItems("a list", rule);
    case Kind::map:
      return expectedItems("an object", rule);
    case Kind::optional:
    case Kind::patch:
      return expectation(*type.element, rule);
    case Kind::raw:
    case Kind::document:
      return "JSON";
  }
  std::unreachable();
}

std::string quoted(std::string_view text) {
  std::string out;
  const std::string_view shown = cut(text);
  appendJsonString(out, shown);
  if (shown.size() < text.size()) out.insert(out.size() - 1, "…");
  return out;
}

std::string cutValue(std::string_view written) {
  const std::string_view shown = cut(written);
  return std::string(shown) + (shown.size() < written.size() ? "…" : "");
}

std::string describeValue(const Cursor& cursor) {
  switch (cursor.token()) {
    case Token::text: {
      std::string_view inside = cursor.peek().substr(1);
      inside.remove_suffix(inside.empty() ? 0 : 1);
      std::string text;
      return quoted(unescape(inside, text) ? std::string_view(text) : inside);
    }
    case Token::number:
    case Token::boolean:
    case Token::null:
      return cutValue(cursor.peek());
    case Token::object:
    case Token::array:
    case Token::none:
      return std::string(name(cursor.token()));
  }
  std::unreachable();
}

std::string pointerPart(std::string_view name) {
  return corbel::pointerPart(cut(name, kShownName));
}

std::string unknownField(const Type& object) {
  if (object.fields.empty()) return "is unknown; nothing is allowed here";
  return "is unknown; allowed are " + listed(object.fields);
}

bool obeys(Format format, std::string_view text) {
  switch (format) {
    case Format::any:
      return true;
    case Format::uuid:
      return isUuid(text);
    case Format::name:
      return isName(text);
  }
  std::unreachable();
}

std::size_t characters(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace corbel::json
