// Tokens by which one process of an installation asks another for somebody: signed with a secret
// that only they share, for one kind of service, one caller in one tenant, one request and half a
// minute.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/signature.h"
#include "identity/identity.h"

namespace corbel::identity {

// Which tokens of the last minute were used. Thread-safe.
class UsedTokens {
 public:
  enum class Use : std::uint8_t { first, again, tooMany };
  explicit UsedTokens(std::size_t max) : max_(max) {}
  // Remembered until `expiresAt`.
  Use use(std::string_view id, Timestamp expiresAt, Timestamp now);

 private:
  using Key = std::array<std::byte, 16>;
  const std::size_t max_;
  Mutex mutex_;
  std::set<Key> known_ CORBEL_GUARDED_BY(mutex_);
  // In the order of their arrival, which is nearly that of their end.
  std::deque<std::pair<Timestamp, Key>> byEnd_ CORBEL_GUARDED_BY(mutex_);
};

// Thread-safe.
class ServiceTokens {
 public:
  static constexpr std::string_view kMark = "crs_";
  static constexpr std::chrono::seconds kLifetime{30};
  static constexpr std::chrono::seconds kMaxLifetime{60};
  static constexpr std::chrono::seconds kLeeway{5};  // for the difference of clocks
  static constexpr std::size_t kRemembered = 250'000;

  // `services` are what this process offers to the others; tokens for them are taken here.
  // `clock` and `ids` must outlive it. invalid_argument: the secret is too short.
  static Result<std::unique_ptr<ServiceTokens>> make(const Secret& secret,
                                                     std::vector<std::string> services,
                                                     const Clock& clock, IdSource& ids);

  static bool isServiceToken(std::string_view credential) { return credential.starts_with(kMark); }

  // For one request of `actor` to a process that offers `service`.
  Secret issue(std::string_view service, const Actor& actor) const;

  // The caller whom the token stands for, in the one tenant it names. unauthenticated: it was not
  // signed by this installation, is for another service, has expired, lasts too long, was used
  // before, or lacks something; the detail says what. unavailable: too many tokens in this minute.
  Result<PrincipalRef> verify(std::string_view credential);

 private:
  ServiceTokens(crypto::HmacKey key, crypto::Verifier verifier, std::vector<std::string> audiences,
                const Clock& clock, IdSource& ids);

  const crypto::HmacKey key_;
  const crypto::Verifier verifier_;
  const std::vector<std::string> audiences_;
  const Clock& clock_;
  IdSource& ids_;
  UsedTokens used_{kRemembered};
};

}  // namespace corbel::identity
