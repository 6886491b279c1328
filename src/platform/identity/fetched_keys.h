// The key set of one issuer as it was fetched last, and when it may be fetched again.
#pragma once
#include <atomic>
#include <chrono>
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
  std::string reason = {};  // of unavailable, for the log
};

// Held by the one thread that fetches, over all issuers: tokens of unknown keys must not be able to
// hold more of the threads that answer requests. Thread-safe.
class FetchSlot {
 public:
  bool tryTake() { return !taken_.exchange(true); }
  void giveBack() { taken_ = false; }
  bool taken() const { return taken_; }

 private:
  std::atomic<bool> taken_ = false;
};

// Thread-safe.
class FetchedKeys {
 public:
  static constexpr std::chrono::minutes kFresh{10};
  static constexpr std::chrono::hours kUsable{24};
  static constexpr std::chrono::seconds kBetweenAttempts{30};
  static constexpr std::chrono::seconds kFetchTime{5};
  static constexpr std::chrono::minutes kRefresh{8};  // before they stop being fresh
  static constexpr std::chrono::seconds kBetweenRefreshes{2};

  // `clock` and `slot` must outlive it. `issuer` is for the log.
  FetchedKeys(std::shared_ptr<JwksSource> source, crypto::SignatureAlgorithm algorithm,
              const Clock& clock, FetchSlot& slot, std::string issuer)
      : source_(std::move(source)),
        algorithm_(algorithm),
        clock_(clock),
        slot_(slot),
        issuer_(std::move(issuer)) {}

  // Never needsFetch with a deadline; fetches only with one.
  KeyAnswer find(const std::optional<std::string>& kid, std::optional<Deadline> deadline);
  // Unless there was an attempt within kBetweenAttempts; then its outcome. unavailable: somebody
  // else is fetching; and why the keys cannot be had.
  Result<void> fetch(Deadline deadline);
  // For the background: fetches when the keys are kRefresh old or the last attempt failed, every
  // kBetweenRefreshes at most. Failures that repeat are logged once.
  void refresh(Deadline deadline);
  // After fetch(), unless the keys are fresh.
  KeySetState state(Deadline deadline);

 private:
  KeyAnswer known(const std::optional<std::string>& kid) const CORBEL_REQUIRES(mutex_);
  bool isFresh() const CORBEL_REQUIRES(mutex_);
  bool mayFetch() const CORBEL_REQUIRES(mutex_);
  Result<void> lastOutcome() const CORBEL_REQUIRES(mutex_);
  bool beginAttempt();
  bool beginRefresh();
  Result<void> attempt(Deadline deadline);
  Result<KeySet> ask(Deadline deadline);
  void remember(Result<KeySet> keys, bool isNews) CORBEL_REQUIRES(mutex_);

  const std::shared_ptr<JwksSource> source_;
  const crypto::SignatureAlgorithm algorithm_;
  const Clock& clock_;
  FetchSlot& slot_;
  const std::string issuer_;

  mutable Mutex mutex_;
  std::shared_ptr<const KeySet> keys_ CORBEL_GUARDED_BY(mutex_);
  SteadyTime fetchedAt_ CORBEL_GUARDED_BY(mutex_);
  std::optional<SteadyTime> attemptedAt_ CORBEL_GUARDED_BY(mutex_);
  std::optional<Error> failure_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::identity
