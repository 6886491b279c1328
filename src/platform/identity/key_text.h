// The text of an API key: crb_<prefix>_<secret>. The prefix is public and finds the key, the secret
// proves it.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/secret.h"

namespace corbel::identity {

inline constexpr std::string_view kKeyMark = "crb_";
inline constexpr std::size_t kKeyPrefixLength = 12;
// Base 62: 190 bits.
inline constexpr std::size_t kKeySecretLength = 32;

struct KeyParts {
  std::string_view prefix;
  std::string_view secret;
};

// Nothing: not exactly such a text.
std::optional<KeyParts> parseKeyText(std::string_view text);

Secret keyText(std::string_view prefix, const Secret& secret);

// Each of the 62 letters and digits equally likely.
std::string randomWord(Random& random, std::size_t length);

}  // namespace corbel::identity
