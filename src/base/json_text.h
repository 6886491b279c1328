// Text as a JSON string (RFC 8259, section 7), and names as parts of JSON pointers.
#pragma once
#include <string>
#include <string_view>

namespace corbel {

// Appends `text` with quotes. Takes any bytes: what is not UTF-8 becomes U+FFFD; control characters
// (C0, DEL, C1) and the line ends U+2028 and U+2029 are escaped, so the result is valid JSON and
// stays one line on every terminal and parser.
void appendJsonString(std::string& out, std::string_view text);

// `name` as the next part of a JSON pointer (RFC 6901): "/" and the name, with '~' and '/' escaped.
std::string pointerPart(std::string_view name);

}  // namespace corbel
