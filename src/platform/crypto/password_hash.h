// Passwords as Argon2id hashes (RFC 9106) by libargon2, in the text form of the PHC:
// "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>".
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corbel::crypto {

// What one hashing costs; one lane. 19 MiB and two passes are a recommendation of OWASP's Password
// Storage Cheat Sheet: as strong as its others, and least in memory.
struct PasswordCost {
  std::uint32_t memoryKiB = 19'456;
  std::uint32_t passes = 2;
  bool operator==(const PasswordCost&) const = default;
};

using PasswordSalt = std::span<const std::byte, 16>;

// Thread-safe, both; take tens of milliseconds of processor time and the memory of the cost.
// unavailable: that memory is not to be had.
Result<std::string> hashPassword(std::string_view password, PasswordSalt salt, PasswordCost cost);
// At the cost that the hash names. A text that is no such hash, or one that would cost more than
// 1 GiB or 100 passes, matches nothing.
Result<bool> matchesPassword(const std::string& hash, std::string_view password);

// Nothing: no hash of this form.
std::optional<PasswordCost> costOf(std::string_view hash);

}  // namespace corbel::crypto
