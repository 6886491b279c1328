// Message authentication with a shared secret (RFC 2104).
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "crypto/sha256.h"

namespace corbel::crypto {

// Thread-safe. Keys of any length, as protocols of others define them; for keys of our own see
// HmacKey.
Sha256Digest hmacSha256(std::span<const std::byte> key, std::string_view message);

}  // namespace corbel::crypto
