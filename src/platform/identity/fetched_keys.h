// The key set of one issuer as it was fetched last, and when it may be fetched again.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "identity/jwks.h"
#include "identity/jwt.h"
#include "key_set.h"

namespace corbel::identity {

enum class KeyState : std::uint8_t {
  found,
  needsFetch,   // ask again where waiting is allowed
  unknown,      // the issuer has no such key
  unavailable,  // the keys cannot be had now
};

struct KeyAnswer {
  KeyState state;
  // NOLINTNEXTLINE(readability-redundant-member-init): so that initializers may leave it out
  std::optional<crypto::Verifier> key = {};
};

// Thread-safe.
class FetchedKeys {
 public:
  static constexpr std::chrono::minutes kFresh{10};
  static constexpr std::chrono::hours kUsable{24};
  static constexpr std::chrono::seconds kBetweenAttempts{30};
  static constexpr std::chrono::seconds kFetchTime{5};
  // Tokens of unknown keys must not be able to hold more threads than these.
  static constexpr int kMaxWaiters = 4;

  FetchedKeys(std::shared_ptr<JwksSource> source, crypto::SignatureAlgorithm algorithm,
              const Clock& clock)
      : source_(std::move(source)), algorithm_(algorithm), clock_(clock) {}

  // Never needsFetch with a deadline, never waits without.
  KeyAnswer find(const std::optional<std::string>& kid, std::optional<Deadline> deadline);
  // Unless there was an attempt within kBetweenAttempts; then its outcome.
  Result<void> fetch(Deadline deadline);
  // After fetch(), unless the keys are fresh.
  KeySetState state(Deadline deadline);

 private:
  KeyAnswer known(const std::optional<std::string>& kid) const CORBEL_REQUIRES(mutex_);
  bool isFresh() const CORBEL_REQUIRES(mutex_);
  bool mayFetch() const CORBEL_REQUIRES(mutex_);
  bool awaitFetch(MutexLock& lock, Deadline deadline) CORBEL_REQUIRES(mutex_);

  const std::shared_ptr<JwksSource> source_;
  const crypto::SignatureAlgorithm algorithm_;
  const Clock& clock_;

  mutable Mutex mutex_;
  std::condition_variable fetched_;
  std::shared_ptr<const KeySet> keys_ CORBEL_GUARDED_BY(mutex_);
  SteadyTime fetchedAt_ CORBEL_GUARDED_BY(mutex_);
  std::optional<SteadyTime> attemptedAt_ CORBEL_GUARDED_BY(mutex_);
  std::optional<Error> failure_ CORBEL_GUARDED_BY(mutex_);
  bool fetching_ CORBEL_GUARDED_BY(mutex_) = false;
  int waiters_ CORBEL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corbel::identity
