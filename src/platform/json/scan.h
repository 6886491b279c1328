// The lexical rules of JSON (RFC 8259) for one token or for text that the first pass refused.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "json/cursor.h"

namespace corbel::json {

// The whole of `token` as a number. Nothing: it is not one.
std::optional<Number> parseNumber(std::string_view token);

// Replaces `out` by the text that `quoted`, what stands between the quotes, means. false: an
// unknown escape, half of a surrogate pair, or a quote. `quoted` is UTF-8 without control
// characters.
bool unescape(std::string_view quoted, std::string& out);

// Why the first pass refused the text, and where: bad UTF-8, a control character inside a string,
// or an open string.
struct Refusal {
  std::size_t offset = 0;
  const char* why = "";
};
Refusal explainRefusal(std::string_view json);

}  // namespace corbel::json
