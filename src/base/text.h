// Small, allocation-free helpers for text.
#pragma once
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace corbel {

// ASCII only: header names, setting words and encodings are ASCII by definition.
constexpr char lowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool equalsIgnoringCase(std::string_view a, std::string_view b);
std::string toLowerAscii(std::string_view text);

// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);

// The part before `separator`, which moves `rest` behind it; all of `rest` when there is none.
std::string_view takeUntil(std::string_view& rest, char separator);

// Length of the UTF-8 sequence at the start of `text`, which is not empty. 0: it is none (RFC 3629:
// no overlong forms, no surrogates, not cut off).
std::size_t utf8Length(std::string_view text);

// The whole text as a number, else nothing.
template <class Number>
std::optional<Number> parseNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace corbel
