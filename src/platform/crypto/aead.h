// Authenticated encryption: AES-256-GCM (NIST SP 800-38D) by OpenSSL. What was sealed opens only
// with the same key and the same associated data, which is not kept with it.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace corbel::crypto {

// Immutable; use is thread-safe. Seals at most 2^32 texts: the nonce is random (SP 800-38D, 8.3).
class AeadKey {
 public:
  static constexpr std::size_t kBytes = 32;
  static constexpr std::size_t kNonceBytes = 12;
  static constexpr std::size_t kTagBytes = 16;

  static AeadKey generate(Random& random);
  // invalid_argument: not 32 bytes.
  static Result<AeadKey> fromBytes(std::string_view bytes);

  // Nonce, ciphertext and tag: 28 bytes more than `text`. Ends the process when OpenSSL cannot:
  // nothing that relies on it could go on safely.
  std::string seal(std::string_view text, std::string_view associated, Random& random) const;
  // Nothing: another key, other associated data, or not one bit as it was.
  std::optional<Secret> open(std::string_view sealed, std::string_view associated) const;

  // The key itself, to be sealed by another.
  const Secret& bytes() const { return bytes_; }

 private:
  explicit AeadKey(Secret bytes) : bytes_(std::move(bytes)) {}
  Secret bytes_;
};

}  // namespace corbel::crypto
