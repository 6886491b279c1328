#include "secrets/master_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::secrets {
namespace {

constexpr std::size_t kIdDigits = 16;
constexpr std::string_view kBetween = " \t\r\n,";

// The next word of `rest`, which moves behind it; empty at the end.
std::string_view takeWord(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kBetween), rest.size()));
  const std::string_view word = rest.substr(0, rest.find_first_of(kBetween));
  rest.remove_prefix(word.size());
  return word;
}

}  // namespace

MasterKey MasterKey::of(crypto::AeadKey key) {
  crypto::Sha256 hash;
  hash.update("corbel master key id");
  hash.update(key.bytes().reveal());
  return {.id = crypto::hex(hash.finish()).substr(0, kIdDigits), .key = std::move(key)};
}

MasterKey MasterKey::generate(Random& random) { return of(crypto::AeadKey::generate(random)); }

Secret MasterKey::text() const {
  return Secret(crypto::toHex(crypto::bytesOf(key.bytes().reveal())));
}

Result<MasterKeys> MasterKeys::parse(std::string_view text, std::string_view source) {
  std::vector<MasterKey> keys;
  for (auto word = takeWord(text); !word.empty(); word = takeWord(text)) {
    const auto bytes = crypto::fromHex(word);
    if (!bytes || bytes->size() != crypto::AeadKey::kBytes) {
      return fail(ErrorCode::invalidArgument,
                  fmt::format("{}: master key {} must be 64 hexadecimal digits, as `openssl rand "
                              "-hex 32` makes",
                              source, keys.size() + 1));
    }
    CORBEL_TRY(auto key, crypto::AeadKey::fromBytes(*bytes));
    keys.push_back(MasterKey::of(std::move(key)));
  }
  if (keys.empty() || keys.size() > kMax) {
    return fail(ErrorCode::invalidArgument, fmt::format("{}: must hold 1 to {} master keys, got {}",
                                                        source, kMax, keys.size()));
  }
  return MasterKeys(std::move(keys));
}

const MasterKey* MasterKeys::find(std::string_view id) const {
  const auto found = std::ranges::find(keys_, id, &MasterKey::id);
  return found == keys_.end() ? nullptr : &*found;
}

std::string MasterKeys::ids() const {
  std::string text;
  for (const MasterKey& key : keys_) text += (text.empty() ? "" : ", ") + key.id;
  return text;
}

Secret MasterKeys::text() const {
  std::string text;
  for (const MasterKey& key : keys_) {
    if (!text.empty()) text += '\n';
    text += key.text().reveal();
  }
  return Secret(std::move(text));
}

}  // namespace corbel::secrets
