// Master keys: they seal data keys and nothing else. Operators write them as 64 hexadecimal digits
// each, with white space or commas between: the first seals, the others only open what it has not
// sealed anew yet.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/aead.h"

namespace corbel::secrets {

struct MasterKey {
  std::string id;  // public: 16 hexadecimal digits of a hash of the key
  crypto::AeadKey key;

  static MasterKey of(crypto::AeadKey key);
  static MasterKey generate(Random& random);
  // 64 hexadecimal digits.
  Secret text() const;
};

// Immutable; never empty.
class MasterKeys {
 public:
  static constexpr std::size_t kMax = 8;
  // invalid_argument: no key, more than kMax, or a word that is none; the message names `source`
  // and never shows a key.
  static Result<MasterKeys> parse(std::string_view text, std::string_view source);
  explicit MasterKeys(std::vector<MasterKey> keys) : keys_(std::move(keys)) {}

  const MasterKey& current() const { return keys_.front(); }
  // nullptr: it is none of these. Valid as long as this.
  const MasterKey* find(std::string_view id) const;
  const std::vector<MasterKey>& all() const { return keys_; }
  // Of all, with commas between.
  std::string ids() const;
  // As a key file holds them.
  Secret text() const;

 private:
  std::vector<MasterKey> keys_;
};

}  // namespace corbel::secrets
