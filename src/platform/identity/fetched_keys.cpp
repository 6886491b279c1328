#include "fetched_keys.h"

#include <fmt/format.h>

#include <utility>

#include "telemetry/log.h"

namespace corbel::identity {
namespace {

std::string describe(const Error& error) {
  return error.detail.empty() ? error.message : fmt::format("{} ({})", error.message, error.detail);
}

}  // namespace

bool FetchedKeys::isFresh() const {
  return keys_ != nullptr && clock_.steady() - fetchedAt_ < kFresh;
}

bool FetchedKeys::mayFetch() const {
  return !attemptedAt_ || clock_.steady() - *attemptedAt_ >= kBetweenAttempts;
}

Result<void> FetchedKeys::lastOutcome() const {
  return failure_ ? Result<void>(std::unexpected(*failure_)) : Result<void>();
}

KeyAnswer FetchedKeys::known(const std::optional<std::string>& kid) const {
  if (keys_ == nullptr || clock_.steady() - fetchedAt_ >= kUsable) {
    return {.state = KeyState::unavailable,
            .reason = failure_ ? describe(*failure_) : "they are being fetched"};
  }
  if (const crypto::Verifier* const key = keys_->find(kid))
    return {.state = KeyState::found, .key = *key};
  // Being fetched: the new set may have it.
  if (slot_.taken()) return {.state = KeyState::unavailable, .reason = "they are being fetched"};
  return {.state = KeyState::unknown};
}

KeyAnswer FetchedKeys::find(const std::optional<std::string>& kid,
                            std::optional<Deadline> deadline) {
  {
    const MutexLock lock(mutex_);
    KeyAnswer answer = known(kid);
    const bool isSettled =
        !mayFetch() || slot_.taken() || (answer.state == KeyState::found && isFresh());
    if (isSettled) return answer;
    if (!deadline) return {.state = KeyState::needsFetch};
  }
  // What is known stays good for a while: a failure shows only where nothing is known.
  std::ignore = fetch(*deadline);
  const MutexLock lock(mutex_);
  return known(kid);
}

namespace {

// The slot while this lives, if nobody else has it.
class Turn {
 public:
  explicit Turn(FetchSlot& slot) : slot_(slot), isMine_(slot.tryTake()) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (isMine_) slot_.giveBack();
  }
  explicit operator bool() const { return isMine_; }

 private:
  FetchSlot& slot_;
  const bool isMine_;
};

}  // namespace

Result<void> FetchedKeys::fetch(Deadline deadline) {
  const Turn turn(slot_);
  if (!turn) return fail(ErrorCode::unavailable, "Other keys are being fetched.");
  return attempt(deadline);
}

bool FetchedKeys::beginAttempt() {
  const MutexLock lock(mutex_);
  if (!mayFetch()) return false;
  attemptedAt_ = clock_.steady();
  return true;
}

bool FetchedKeys::beginRefresh() {
  const MutexLock lock(mutex_);
  const SteadyTime now = clock_.steady();
  const bool isDue = keys_ == nullptr || failure_ || now - fetchedAt_ >= kRefresh;
  if (!isDue || (attemptedAt_ && now - *attemptedAt_ < kBetweenRefreshes)) return false;
  attemptedAt_ = now;
  return true;
}

Result<KeySet> FetchedKeys::ask(Deadline deadline) {
  CORBEL_TRY(auto text, source_->fetch(deadline.earlier(Deadline::after(clock_, kFetchTime))));
  return KeySet::parse(std::move(text), algorithm_);
}

void FetchedKeys::remember(Result<KeySet> keys, bool isNews) {
  failure_.reset();
  if (keys) {
    keys_ = std::make_shared<const KeySet>(*std::move(keys));
    fetchedAt_ = clock_.steady();
    return;
  }
  failure_ = std::move(keys).error();
  if (!isNews) return;
  log::warn("identity", "the keys of an issuer could not be fetched",
            {{"issuer", issuer_}, {"error", failure_->message}, {"detail", failure_->detail}});
}

Result<void> FetchedKeys::attempt(Deadline deadline) {
  if (!beginAttempt()) {
    const MutexLock lock(mutex_);
    return lastOutcome();
  }
  auto keys = ask(deadline);
  const MutexLock lock(mutex_);
  remember(std::move(keys), true);
  return lastOutcome();
}

void FetchedKeys::refresh(Deadline deadline) {
  const Turn turn(slot_);
  if (!turn || !beginRefresh()) return;
  auto keys = ask(deadline);
  const MutexLock lock(mutex_);
  remember(std::move(keys), !failure_);
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
