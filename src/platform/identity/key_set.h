// The keys of one key set that fit one algorithm.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/signature.h"

namespace corbel::identity {

// Immutable.
class KeySet {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;
  static constexpr std::size_t kMaxKeys = 64;

  // Leaves out keys for encryption and keys of another algorithm or type: sets hold keys for many
  // purposes. unprocessable: no key set, two keys of one id, or no key left; the message says what
  // is wrong.
  static Result<KeySet> parse(std::string text, crypto::SignatureAlgorithm algorithm);

  // Without an id: the only key, if there is only one. Valid as long as the set.
  const crypto::Verifier* find(const std::optional<std::string>& kid) const;

 private:
  struct Entry {
    std::optional<std::string> kid;
    crypto::Verifier verifier;
  };
  std::vector<Entry> entries_;
};

}  // namespace corbel::identity
