#include "key_name.h"

#include <span>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::redis {

std::string keyName(std::string_view tenant, std::string_view name) {
  crypto::Sha256 hash;
  hash.update(tenant);
  hash.update(std::string_view("\0", 1));
  hash.update(name);
  const crypto::Sha256Digest digest = hash.finish();
  return crypto::toHex(std::span(digest).first(16));
}

}  // namespace corbel::redis
