#include "base/json_text.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/text.h"

namespace corbel {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (int byte = 0x20; byte < 0x7F; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

// Whether eight bytes are plain, all at once (Warren, "Hacker's Delight", 6-1: finding a zero
// byte).
bool arePlain(std::uint64_t bytes) {
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  const auto any = [bytes](char c) {
    const std::uint64_t different = bytes ^ (kOnes * static_cast<std::uint8_t>(c));
    return (different - kOnes) & ~different;
  };
  const std::uint64_t controls = (bytes - kOnes * 0x20) & ~bytes;
  return ((bytes | controls | any('"') | any('\\') | any('\x7F')) & (kOnes * 0x80)) == 0;
}

// Where the first byte that is not plain stands, from `at` on.
std::size_t endOfPlain(std::string_view text, std::size_t at) {
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + at, 8);
    if (!arePlain(bytes)) break;
  }
  while (at < text.size() && kPlain[static_cast<std::uint8_t>(text[at])]) ++at;
  return at;
}

constexpr std::uint8_t byteAt(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

void appendEscape(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(unit >> shift) & 0xF];
}

void appendAscii(std::string& out, std::uint8_t byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      appendEscape(out, byte);
  }
}

void appendSequence(std::string& out, std::string_view sequence) {
  if (sequence.size() == 2 && byteAt(sequence, 0) == 0xC2 && byteAt(sequence, 1) <= 0x9F) {
    return appendEscape(out, byteAt(sequence, 1));
  }
  if (sequence == "\u2028") return appendEscape(out, 0x2028);
  if (sequence == "\u2029") return appendEscape(out, 0x2029);
  out += sequence;
}

}  // namespace

void appendJsonString(std::string& out, std::string_view text) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t from = at;
    at = endOfPlain(text, at);
    out.append(text, from, at - from);
    if (at == text.size()) break;
    const std::size_t length = utf8Length(text.substr(at));
    if (length == 1) appendAscii(out, byteAt(text, at));
    if (length == 0) out += kReplacement;
    if (length > 1) appendSequence(out, text.substr(at, length));
    at += length == 0 ? 1 : length;
  }
  out += '"';
}

std::string pointerPart(std::string_view name) {
  std::string part = "/";
  for (const char c : name) {
    if (c == '~') {
      part += "~0";
    } else if (c == '/') {
      part += "~1";
    } else {
      part += c;
    }
  }
  return part;
}

}  // namespace corbel
