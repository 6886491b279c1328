#include "json/scan.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/text.h"
#include "json/cursor.h"

namespace corbel::json {
namespace {

// Powers of ten that double holds exactly.
constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::int64_t kExactPower = 22;
constexpr std::uint64_t kExactMantissa = std::uint64_t{1} << 53;
constexpr std::ptrdiff_t kSafeDigits = 19;  // always fit std::uint64_t

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// The parts of a number that obeys the grammar: value = mantissa * 10^exponent.
struct Decimal {
  bool negative = false;
  bool whole = true;           // neither fraction nor exponent
  std::uint64_t mantissa = 0;  // wrong when there are more than kSafeDigits
  std::ptrdiff_t digits = 0;   // with leading zeros
  std::int64_t exponent = 0;
};

// Reads digits from `at` on into the mantissa. Where they end.
const char* readDigits(const char* at, const char* end, std::uint64_t& mantissa) {
  std::uint64_t value = mantissa;
  for (; at != end && isDigit(*at); ++at)
    value = value * 10 + static_cast<std::uint64_t>(*at - '0');
  mantissa = value;
  return at;
}

// What stands behind 'e'. Nothing: no number. Saturates: no text has as many digits.
std::optional<std::int64_t> readExponent(const char* at, const char* end) {
  constexpr std::int64_t kEnough = 1'000'000'000'000;
  const bool negative = at != end && *at == '-';
  if (at != end && (*at == '-' || *at == '+')) ++at;
  if (at == end) return std::nullopt;
  std::int64_t value = 0;
  for (; at != end && isDigit(*at); ++at)
    value = value < kEnough ? value * 10 + (*at - '0') : value;
  if (at != end) return std::nullopt;
  return negative ? -value : value;
}

std::optional<Decimal> readDecimal(std::string_view token) {
  const char* at = token.data();
  const char* const end = at + token.size();
  Decimal decimal;
  decimal.negative = at != end && *at == '-';
  if (decimal.negative) ++at;
  const char* const integer = at;
  at = readDigits(at, end, decimal.mantissa);
  decimal.digits = at - integer;
  if (decimal.digits == 0 || (*integer == '0' && decimal.digits > 1)) return std::nullopt;
  if (at == end) return decimal;
  decimal.whole = false;
  if (*at == '.') {
    const char* const fraction = ++at;
    at = readDigits(at, end, decimal.mantissa);
    decimal.exponent = fraction - at;
    if (decimal.exponent == 0) return std::nullopt;
    decimal.digits -= decimal.exponent;
    if (at == end) return decimal;
  }
  if ((*at | 0x20) != 'e') return std::nullopt;
  const auto exponent = readExponent(at + 1, end);
  if (!exponent) return std::nullopt;
  decimal.exponent += *exponent;
  return decimal;
}

// Correctly rounded: both factors are exact (Clinger, "How to read floating point numbers
// accurately", 1990).
std::optional<double> exactProduct(const Decimal& decimal) {
  if (decimal.digits > kSafeDigits || decimal.mantissa > kExactMantissa) return std::nullopt;
  if (decimal.exponent < -kExactPower || decimal.exponent > kExactPower) return std::nullopt;
  const auto mantissa = static_cast<double>(decimal.mantissa);
  const double value = decimal.exponent < 0 ? mantissa / kPowersOfTen[-decimal.exponent]
                                            : mantissa * kPowersOfTen[decimal.exponent];
  return decimal.negative ? -value : value;
}

// The power of ten of the first digit that is not zero; nothing: there is none.
std::optional<std::int64_t> magnitude(const Decimal& decimal, std::string_view token) {
  std::int64_t power = decimal.digits + decimal.exponent;
  for (const char c : token) {
    if (c == 'e' || c == 'E') break;
    if (c >= '1' && c <= '9') return power;
    if (c == '0') --power;
  }
  return std::nullopt;
}

double toDouble(const Decimal& decimal, std::string_view token) {
  if (const auto value = exactProduct(decimal)) return *value;
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error == std::errc()) return value;
  const double limit =
      magnitude(decimal, token).value_or(0) > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  return decimal.negative ? -limit : limit;
}

std::optional<std::uint32_t> hexUnit(std::string_view text) {
  const std::string_view digits = text.substr(0, 4);
  std::uint32_t unit = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  if (digits.size() < 4 || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return unit;
}

void appendUtf8(std::string& out, std::uint32_t point) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xC0 | point >> 6);
  } else if (point < 0x10000) {
    byte(0xE0 | point >> 12);
    byte(0x80 | (point >> 6 & 0x3F));
  } else {
    byte(0xF0 | point >> 18);
    byte(0x80 | (point >> 12 & 0x3F));
    byte(0x80 | (point >> 6 & 0x3F));
  }
  byte(0x80 | (point & 0x3F));
}

// Appends what stands behind "\u" and says how many characters it took; 0: not a character.
std::size_t appendUnit(std::string& out, std::string_view rest) {
  const auto high = hexUnit(rest);
  if (!high || (*high >= 0xDC00 && *high <= 0xDFFF)) return 0;
  if (*high < 0xD800 || *high > 0xDFFF) {
    appendUtf8(out, *high);
    return 4;
  }
  if (rest.substr(4, 2) != "\\u") return 0;
  const auto low = hexUnit(rest.substr(6));
  if (!low || *low < 0xDC00 || *low > 0xDFFF) return 0;
  appendUtf8(out, 0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00));
  return 10;
}

char simpleEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

}  // namespace

std::optional<Number> parseNumber(std::string_view token) {
  const auto decimal = readDecimal(token);
  if (!decimal) return std::nullopt;
  Number number{.value = toDouble(*decimal, token), .integer = 0, .isInteger = decimal->whole};
  if (!decimal->whole) return number;
  if (decimal->digits < kSafeDigits) {
    const auto integer = static_cast<std::int64_t>(decimal->mantissa);
    number.integer = decimal->negative ? -integer : integer;
    return number;
  }
  const auto [end, error] =
      std::from_chars(token.data(), token.data() + token.size(), number.integer);
  number.isInteger = error == std::errc();
  return number;
}

bool unescape(std::string_view quoted, std::string& out) {
  out.clear();
  std::size_t at = 0;
  while (true) {
    const std::size_t special = quoted.find_first_of("\\\"", at);
    if (special == std::string_view::npos) break;
    out.append(quoted, at, special - at);
    if (quoted[special] == '"' || special + 1 == quoted.size()) return false;
    at = special + 2;
    if (quoted[special + 1] == 'u') {
      const std::size_t taken = appendUnit(out, quoted.substr(at));
      if (taken == 0) return false;
      at += taken;
    } else {
      const char meant = simpleEscape(quoted[special + 1]);
      if (meant == '\0') return false;
      out += meant;
    }
  }
  out.append(quoted, at);
  return true;
}

Refusal explainRefusal(std::string_view json) {
  bool inString = false;
  std::size_t opened = 0;
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t length = utf8Length(json.substr(at));
    if (length == 0) return {at, "the text is not UTF-8"};
    const char c = json[at];
    if (inString && static_cast<unsigned char>(c) < 0x20)
      return {at, "control characters must be escaped"};
    if (c == '"') {
      inString = !inString;
      opened = at;
    }
    at += length;
    const bool escapes = inString && c == '\\' && at < json.size();
    if (escapes && (json[at] == '"' || json[at] == '\\')) ++at;
  }
  if (inString) return {opened, "the text that begins here has no end"};
  return {0, json.empty() ? "the text is empty" : "the text cannot be read"};
}

}  // namespace corbel::json
