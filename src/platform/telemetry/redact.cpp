#include "telemetry/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace corbel::log {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::array<std::string_view, 12> kSecretWords{
    "authorization", "password",   "passwd",     "passphrase", "secret",    "token",
    "apikey",        "privatekey", "credential", "cookie",     "signature", "jwt"};
// Prefixes of keys and tokens: ours, OpenAI's and alike, GitHub's, AWS's, Slack's; a JWT's header
// starts as {".
constexpr std::array<std::string_view, 11> kKeyPrefixes{
    "crb_", "crs_", "cru_", "crl_", "sk-", "ghp_", "github_pat_", "AKIA", "xoxb-", "eyJ", "hf_"};
constexpr std::array<std::string_view, 2> kSchemes{"bearer ", "basic "};
constexpr std::size_t kNameBytes = 256;

bool isTokenCharacter(char c) {
  const char lower = lowerAscii(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~+/=").contains(c);
}

bool startsWithAnyCase(std::string_view text, std::string_view prefix) {
  return equalsIgnoringCase(text.substr(0, prefix.size()), prefix);
}

// Length of the part of a secret that may be shown, when `text` starts with a secret: "Bearer ",
// "crb_".
std::size_t shownPrefix(std::string_view text) {
  for (const std::string_view scheme : kSchemes) {
    if (startsWithAnyCase(text, scheme)) return scheme.size();
  }
  for (const std::string_view prefix : kKeyPrefixes) {
    if (text.starts_with(prefix)) return prefix.size();
  }
  return 0;
}

// Length of what is copied as a whole: an escape, so that what follows it starts a word, else one
// byte.
std::size_t unitLength(std::string_view text) {
  if (text.front() != '\\' || text.size() < 2) return 1;
  return std::min<std::size_t>(text.size(), text[1] == 'u' ? 6 : 2);
}

void appendMasked(std::string& out, std::string_view text) {
  bool wordStart = true;
  while (!text.empty()) {
    const std::size_t shown = wordStart ? shownPrefix(text) : 0;
    const std::size_t length = shown > 0 ? shown : unitLength(text);
    const std::string_view unit = text.substr(0, length);
    out += unit;
    text.remove_prefix(length);
    wordStart = shown > 0 || length > 1 || !isTokenCharacter(unit[0]) || unit == "=" || unit == "/";
    if (shown == 0) continue;
    out += kMask;
    text.remove_prefix(
        static_cast<std::size_t>(std::ranges::find_if_not(text, isTokenCharacter) - text.begin()));
  }
}

bool isSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Copies JSON text, leaving secrets out. Nesting needs no memory: only the skipping of a secret
// value counts brackets.
class JsonRedactor {
 public:
  explicit JsonRedactor(std::string_view body) : rest_(body) {}

  std::string run() {
    while (!rest_.empty() && out_.size() < kBodyBytes) {
      if (rest_.front() == '"') {
        copyString();
      } else {
        out_ += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    out_.resize(std::min(out_.size(), kBodyBytes));
    if (!rest_.empty()) out_ += "...";
    return std::move(out_);
  }

 private:
  // The string at the front with its quotes; all that is left when it does not end.
  std::string_view takeString() {
    std::size_t at = 1;
    while (at < rest_.size() && rest_[at] != '"') at += rest_[at] == '\\' ? 2 : 1;
    const std::string_view text = rest_.substr(0, at + 1);
    rest_.remove_prefix(text.size());
    return text;
  }

  void copySpace() {
    while (!rest_.empty() && isSpace(rest_.front())) {
      out_ += rest_.front();
      rest_.remove_prefix(1);
    }
  }

  void copyString() {
    const std::string_view text = takeString();
    appendMasked(out_, text.substr(0, kBodyBytes));
    copySpace();
    if (!rest_.starts_with(':')) return;
    out_ += ':';
    rest_.remove_prefix(1);
    copySpace();
    const std::string_view name =
        text.substr(1, text.size() - std::min<std::size_t>(2, text.size()));
    // A name written with escapes is not worth decoding: no client of good will does that.
    if (name.contains('\\') || isSecretName(name)) skipValue(name);
  }

  void skipValue(std::string_view name) {
    if (isCount(name)) return;
    out_ += fmt::format("\"{}\"", kMask);
    std::size_t depth = 0;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return;
      if (c == '"') {
        takeString();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      rest_.remove_prefix(1);
    }
  }

  // max_tokens: 100 is no secret.
  bool isCount(std::string_view name) const {
    const bool number = !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
    return number && toLowerAscii(name).ends_with("tokens");
  }

  std::string_view rest_;
  std::string out_;
};

}  // namespace

bool isSecretName(std::string_view name) {
  std::string plain;
  for (const char c : name.substr(0, kNameBytes)) {
    if (c != '_' && c != '-' && c != ' ') plain += lowerAscii(c);
  }
  return name.size() > kNameBytes || std::ranges::any_of(kSecretWords, [&](std::string_view word) {
           return plain.contains(word);
         });
}

std::string redactJson(std::string_view body) {
  const auto first = std::ranges::find_if_not(body, isSpace);
  if (first == body.end() || !std::string_view("{[\"").contains(*first)) {
    return fmt::format("({} bytes, not JSON)", body.size());
  }
  return JsonRedactor(body).run();
}

std::string redactText(std::string_view text) {
  std::string out;
  appendMasked(out, text);
  return out;
}

}  // namespace corbel::log
