// Which bytes may stand where in an HTTP message.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace corbel::http {

enum CharClass : std::uint8_t { kToken = 1, kFieldText = 2, kTargetText = 4, kHostText = 8 };

constexpr bool isAlphanumeric(int c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// token: RFC 9110, 5.6.2. Field text: 5.5, with obs-text. Target: visible ASCII but '#', which RFC
// 3986 keeps for fragments. Host: RFC 3986, 3.2.2 and a port.
inline constexpr auto kCharClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    std::uint8_t bits = 0;
    const auto isOneOf = [c](std::string_view set) {
      return c < 128 && set.contains(static_cast<char>(c));
    };
    if (isAlphanumeric(c) || isOneOf("!#$%&'*+-.^_`|~")) bits |= kToken;
    if (c == '\t' || (c >= ' ' && c != 0x7f)) bits |= kFieldText;
    if (c > ' ' && c < 0x7f && c != '#') bits |= kTargetText;
    if (isAlphanumeric(c) || isOneOf("-._~%!$&'()*+,;=:[]")) bits |= kHostText;
    classes[static_cast<std::size_t>(c)] = bits;
  }
  return classes;
}();

inline bool is(char c, CharClass wanted) {
  return (kCharClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

inline bool isAll(std::string_view text, CharClass wanted) {
  std::uint8_t common = wanted;
  for (const char c : text) common &= kCharClasses[static_cast<unsigned char>(c)];
  return common != 0;
}

}  // namespace corbel::http
