// Bytes as text and back (RFC 4648), strictly: one text for every value, nothing skipped, so that
// two different texts never mean the same key or token.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace corbel::crypto {

// Lower-case hexadecimal digits.
std::string toHex(std::span<const std::byte> bytes);
// Digits of either case, two a byte.
std::optional<std::string> fromHex(std::string_view text);

// Base64 with '+', '/' and '=' padding.
std::string toBase64(std::span<const std::byte> bytes);
// Nothing: foreign characters (white space too), missing padding, or unused bits that are not zero.
std::optional<std::string> fromBase64(std::string_view text);

// Base64 for URLs: '-', '_', no padding.
std::string toBase64Url(std::span<const std::byte> bytes);
// Nothing: foreign characters, padding, or unused bits that are not zero.
std::optional<std::string> fromBase64Url(std::string_view text);

inline std::span<const std::byte> bytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Takes the same time wherever the difference is; the lengths are not secret.
bool equalInConstantTime(std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace corbel::crypto
