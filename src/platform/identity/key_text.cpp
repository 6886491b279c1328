#include "key_text.h"

#include <algorithm>
#include <array>
#include <span>

namespace corbel::identity {
namespace {

constexpr std::string_view kAlphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool isLetterOrDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

}  // namespace

std::optional<KeyParts> parseKeyText(std::string_view text) {
  constexpr std::size_t kSecretAt = kKeyMark.size() + kKeyPrefixLength + 1;
  if (text.size() != kSecretAt + kKeySecretLength || !text.starts_with(kKeyMark) ||
      text[kSecretAt - 1] != '_') {
    return std::nullopt;
  }
  const KeyParts parts{text.substr(kKeyMark.size(), kKeyPrefixLength), text.substr(kSecretAt)};
  if (!std::ranges::all_of(parts.prefix, isLetterOrDigit)) return std::nullopt;
  return parts;
}

Secret keyText(std::string_view prefix, const Secret& secret) {
  std::string text(kKeyMark);
  text.reserve(kKeyMark.size() + prefix.size() + 1 + secret.reveal().size());
  text.append(prefix).append(1, '_').append(secret.reveal());
  return Secret(std::move(text));
}

std::string randomWord(Random& random, std::size_t length) {
  // Larger bytes would make the first letters of the alphabet a little likelier.
  constexpr std::size_t kFairBytes = 256 / kAlphabet.size() * kAlphabet.size();
  std::string word;
  std::array<std::byte, 64> bytes{};
  while (word.size() < length) {
    random.fill(bytes);
    for (const std::byte byte : bytes) {
      const auto value = std::to_integer<std::size_t>(byte);
      if (value < kFairBytes && word.size() < length) word += kAlphabet[value % kAlphabet.size()];
    }
  }
  return word;
}

}  // namespace corbel::identity
