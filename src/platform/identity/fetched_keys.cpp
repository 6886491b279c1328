#include "fetched_keys.h"

#include <utility>

namespace corbel::identity {

bool FetchedKeys::isFresh() const {
  return keys_ != nullptr && clock_.steady() - fetchedAt_ < kFresh;
}

bool FetchedKeys::mayFetch() const {
  return !attemptedAt_ || clock_.steady() - *attemptedAt_ >= kBetweenAttempts;
}

KeyAnswer FetchedKeys::known(const std::optional<std::string>& kid) const {
  if (keys_ == nullptr || clock_.steady() - fetchedAt_ >= kUsable)
    return {.state = KeyState::unavailable};
  const crypto::Verifier* const key = keys_->find(kid);
  if (key == nullptr) return {.state = KeyState::unknown};
  return {.state = KeyState::found, .key = *key};
}

KeyAnswer FetchedKeys::find(const std::optional<std::string>& kid,
                            std::optional<Deadline> deadline) {
  {
    const MutexLock lock(mutex_);
    KeyAnswer answer = known(kid);
    const bool isFound = answer.state == KeyState::found;
    const bool isSettled = isFound ? isFresh() || !mayFetch() : !mayFetch() && !fetching_;
    if (isSettled) return answer;
    if (!deadline) return {.state = KeyState::needsFetch};
  }
  // What is known stays good for a while: a failure shows only where nothing is known.
  static_cast<void>(fetch(*deadline));
  MutexLock lock(mutex_);
  if (fetching_ && !awaitFetch(lock, *deadline)) return {.state = KeyState::unavailable};
  return known(kid);
}

// false: too many wait already, or the deadline has passed.
bool FetchedKeys::awaitFetch(MutexLock& lock, Deadline deadline) {
  if (waiters_ >= kMaxWaiters) return false;
  ++waiters_;
  while (fetching_ && lock.waitUntil(fetched_, deadline.time())) {
  }
  --waiters_;
  return !fetching_;
}

Result<void> FetchedKeys::fetch(Deadline deadline) {
  {
    const MutexLock lock(mutex_);
    if (!mayFetch()) return failure_ ? Result<void>(std::unexpected(*failure_)) : Result<void>();
    attemptedAt_ = clock_.steady();
    fetching_ = true;
  }
  auto text = source_->fetch(deadline.earlier(Deadline::after(clock_, kFetchTime)));
  Result<KeySet> keys =
      text ? KeySet::parse(*std::move(text), algorithm_) : std::unexpected(std::move(text).error());
  const MutexLock lock(mutex_);
  fetching_ = false;
  failure_.reset();
  if (keys) {
    keys_ = std::make_shared<const KeySet>(*std::move(keys));
    fetchedAt_ = clock_.steady();
  } else {
    failure_ = std::move(keys).error();
  }
  fetched_.notify_all();
  return failure_ ? Result<void>(std::unexpected(*failure_)) : Result<void>();
}

KeySetState FetchedKeys::state(Deadline deadline) {
  const bool wasFresh = [&] {
    const MutexLock lock(mutex_);
    return isFresh();
  }();
  if (!wasFresh) static_cast<void>(fetch(deadline));
  using std::chrono::ceil;
  using std::chrono::floor;
  using std::chrono::seconds;
  const MutexLock lock(mutex_);
  KeySetState state{.failure = failure_};
  if (keys_ != nullptr && clock_.steady() - fetchedAt_ < kUsable)
    state.age = floor<seconds>(clock_.steady() - fetchedAt_);
  if (!mayFetch())
    state.untilNextAttempt = ceil<seconds>(*attemptedAt_ + kBetweenAttempts - clock_.steady());
  return state;
}

}  // namespace corbel::identity
