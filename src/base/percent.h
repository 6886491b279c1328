// Percent-encoding of URLs (RFC 3986, 2.1).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace corbel {

// Decoded once. Nothing: an incomplete or wrong escape, invalid UTF-8, or a control character (so
// that a decoded value can go into logs, headers and messages).
std::optional<std::string> percentDecode(std::string_view text);

// Everything but RFC 3986's unreserved characters escaped.
std::string percentEncode(std::string_view text);

}  // namespace corbel
