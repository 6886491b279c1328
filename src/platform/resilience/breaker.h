// When to stop asking something that does not answer, and when to ask again.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"

namespace corbel::resilience {

enum class BreakerState : std::uint8_t { closed, open, halfOpen };
std::string_view name(BreakerState state);  // "closed", "open", "halfOpen"

// What a call says about whom it asked.
enum class Outcome : std::uint8_t {
  answered,  // also with a refusal that is the caller's fault
  failed,    // no answer, a late one, or the other side's own fault
  unknown,   // given up by the caller; says nothing
};

struct BreakerOptions {
  int consecutiveFailures = 5;
  // Opens also where at least this share of at least so many calls of the last 10 s failed.
  int windowCalls = 20;
  int windowFailuresPercent = 50;
  std::chrono::milliseconds firstOpen{5'000};  // doubles with every failed attempt to come back
  std::chrono::milliseconds longestOpen{60'000};
  std::chrono::milliseconds longestPushBack{300'000};
};

// A pure state machine: time is an argument and never goes back, nothing waits. Not thread-safe.
//
// Closed: all pass. Open: none does, for 80 to 100 % (drawn anew, so that many clients do not come
// back together) of a time that doubles up to longestOpen. Half-open: one call passes, whose
// outcome closes or opens it. A probe in the background may close it before its time; then the
// first failure opens it again, and the time goes on doubling until a call was answered.
class Breaker {
 public:
  // `random` must outlive it.
  Breaker(const BreakerOptions& options, Random& random) : options_(options), random_(random) {}

  // Given out by enter(), given back to leave() exactly once. Tickets of an earlier state say
  // nothing any more.
  struct Ticket {
    std::uint64_t generation = 0;
    enum class Kind : std::uint8_t { call, trial, background } kind = Kind::call;
  };

  // Nothing: the call must not be made now.
  std::optional<Ticket> enter(SteadyTime now);
  // For a probe that no caller waits for: allowed while it is open, one at a time.
  std::optional<Ticket> enterBackground(SteadyTime now);
  void leave(Ticket ticket, Outcome outcome, SteadyTime now);
  // The other side asked for a pause (429 with Retry-After). Nothing passes meanwhile; longer than
  // longestPushBack is not believed.
  void pushBack(std::chrono::milliseconds pause, SteadyTime now);

  // As callers see it: open also while a pause was asked for.
  BreakerState state(SteadyTime now) const;
  // When a call may pass next; `now` where one may pass already.
  SteadyTime retryAt(SteadyTime now) const;

 private:
  static constexpr std::size_t kWindowSeconds = 10;
  struct Second {
    std::int64_t number = -1;  // since the epoch of the clock
    int calls = 0;
    int failures = 0;
  };

  void count(Outcome outcome, SteadyTime now);
  bool tooManyFailed(SteadyTime now) const;
  void open(SteadyTime now);
  void close(int failuresSoFar);
  std::chrono::milliseconds drawn(std::chrono::milliseconds longest);

  const BreakerOptions options_;
  Random& random_;
  BreakerState state_ = BreakerState::closed;
  std::uint64_t generation_ = 0;
  int consecutive_ = 0;
  std::array<Second, kWindowSeconds> window_;
  std::chrono::milliseconds lastOpen_{0};  // 0: the next time is firstOpen
  SteadyTime openUntil_;
  SteadyTime heldUntil_ = SteadyTime::min();
  bool tried_ = false;  // a trial or a background probe is under way
};

}  // namespace corbel::resilience
