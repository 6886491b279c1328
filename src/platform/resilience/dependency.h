// The one wrapper around everything that can fail: another server, a broker, an engine.
//
//   resilience::Dependency backend({.name = "auth.backend", .cap = 700ms}, parts);
//   Result<Answer> answer = backend.call(call.deadline(), [&](resilience::Permit& permit) {
//     return client.ask(question, permit.deadline());
//   });
//
// It gives each attempt its time, stops asking what does not answer (Breaker), bounds who asks at
// once (Bulkhead), tries again where that is harmless (RetryBudget), and knows what to tell
// operators. A fallback is the caller's: what it gets is an error.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "resilience/breaker.h"
#include "resilience/bulkhead.h"
#include "resilience/retry_budget.h"
#include "telemetry/metrics.h"

namespace corbel::resilience {

// Whether a call may be made a second time when its outcome is not known.
enum class Repeat : std::uint8_t { never, once };

struct DependencyOptions {
  std::string name;                      // of metrics and health, as in "auth.backend"
  std::string endpoint = {};             // where it is, for people; without credentials
  std::chrono::milliseconds cap{1'000};  // of one attempt, whatever time the caller has
  std::chrono::milliseconds margin{50};  // of the caller's time, left for his answer
  BulkheadOptions bulkhead = {};
  std::chrono::milliseconds waitMax{200};  // for a place
  Repeat repeat = Repeat::never;           // once: only of what is idempotent
  RetryBudgetOptions retries = {};
  std::chrono::milliseconds pauseMax{100};  // before the second attempt: full jitter, from 0
  BreakerOptions breaker = {};
  // Asked every kProbeEvery while the breaker is open, on a thread of the dependency's own; no
  // error closes it. It must be harmless, keep to the deadline and not use the dependency. Empty:
  // callers find out.
  std::function<Result<void>(Deadline)> probe = {};
};

// All must outlive the dependency.
struct DependencyParts {
  const Clock& clock;
  Random& random;
  metrics::Metrics& metrics;
};

// What operators are told.
struct Snapshot {
  std::string name = {};
  std::string endpoint = {};
  BreakerState breaker = BreakerState::closed;
  std::chrono::milliseconds retryIn{0};                  // until a call may pass; 0: now
  std::optional<std::chrono::nanoseconds> latency = {};  // of the last call that was answered
  std::optional<Error> lastError = {};
  std::optional<Timestamp> lastErrorAt = {};
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;
  std::uint64_t refused = 0;  // not made: breaker, no place, no time
  std::uint64_t retried = 0;
  std::size_t running = 0;
  std::size_t waiting = 0;
};

class Dependency;

// The right to make one attempt. Give its outcome to finish(); one that is dropped counts as given
// up. For one thread at a time; the dependency must outlive it.
class Permit {
 public:
  Permit(Permit&& other) noexcept
      : dependency_(std::exchange(other.dependency_, nullptr)),
        ticket_(other.ticket_),
        startedAt_(other.startedAt_),
        deadline_(other.deadline_),
        isShort_(other.isShort_),
        outcome_(other.outcome_) {}
  Permit& operator=(Permit&&) = delete;
  ~Permit();

  // The earlier of the own cap and `margin` before the caller's deadline.
  Deadline deadline() const { return deadline_; }
  // The other side said 429: not a failure, but a pause.
  void pushBack(std::chrono::milliseconds pause);
  // Where the error's code does not tell: see outcomeOf().
  void countAs(Outcome outcome) { outcome_ = outcome; }
  // Null: answered.
  void finish(const Error* error);

 private:
  friend class Dependency;
  Permit(Dependency& dependency, Breaker::Ticket ticket, SteadyTime startedAt, Deadline deadline,
         bool isShort)
      : dependency_(&dependency),
        ticket_(ticket),
        startedAt_(startedAt),
        deadline_(deadline),
        isShort_(isShort) {}

  Dependency* dependency_;
  Breaker::Ticket ticket_;
  SteadyTime startedAt_;
  Deadline deadline_;
  bool isShort_;  // less than half of the cap
  std::optional<Outcome> outcome_;
};

// unavailable, internal and deadline_exceeded are failures, everything else is an answer.
Outcome outcomeOf(const Error& error);

// Thread-safe.
class Dependency {
 public:
  static constexpr std::chrono::milliseconds kProbeEvery{1'500};  // at the latest 2 s after opening
  static constexpr std::chrono::milliseconds kProbeTime{500};

  Dependency(DependencyOptions options, const DependencyParts& parts);
  // Waits for a probe under way.
  ~Dependency();
  Dependency(const Dependency&) = delete;
  Dependency& operator=(const Dependency&) = delete;

  // Waits for a place, at most waitMax. unavailable: the breaker is open (within microseconds), or
  // there was no place; the message is for callers. deadline_exceeded: no more than `margin` is
  // left.
  Result<Permit> enter(Deadline deadline);
  // The same without waiting; for network threads.
  Result<Permit> tryEnter(Deadline deadline);

  // `attempt(Permit&) -> Result<T>` under enter(), a second time where options.repeat, its budget
  // and the deadline allow: a failure without an answer, and after the pause at least as much time
  // left as the first attempt took.
  // Errors of enter() and of `attempt`. A timeout counts as a failure only where the attempt had at
  // least half of the cap: a shorter one says more about the caller.
  template <class Attempt>
  auto call(Deadline deadline, Attempt&& attempt) -> std::invoke_result_t<Attempt&, Permit&> {
    noteFirstAttempt();
    for (bool isFirst = true;; isFirst = false) {
      const SteadyTime startedAt = parts_.clock.steady();
      auto permit = enter(deadline);
      if (!permit) return std::unexpected(std::move(permit).error());
      auto result = attempt(*permit);
      permit->finish(result ? nullptr : &result.error());
      if (result || !isFirst || !mayRepeat(result.error(), startedAt, deadline)) return result;
    }
  }

  // No call may pass now, as far as the breaker goes.
  bool isOpen() const;
  // Until one may.
  std::chrono::milliseconds retryIn() const;
  Snapshot snapshot() const;
  const std::string& name() const { return options_.name; }

  // What the probing thread does every kProbeEvery. True: the breaker was closed by it.
  bool probeNow();

 private:
  friend class Permit;
  enum class Waiting : std::uint8_t { no, allowed };

  Result<Permit> enter(Deadline deadline, Waiting waiting);
  // Nothing: goes on. An error: refused.
  Result<void> takePlace(MutexLock& lock, Deadline until) CORBEL_REQUIRES(mutex_);
  std::unexpected<Error> refuse(ErrorCode code, std::string detail) CORBEL_REQUIRES(mutex_);
  void leave(const Permit& permit, Outcome outcome, const Error* error);
  void pushBack(std::chrono::milliseconds pause);
  void noteFirstAttempt();
  bool mayRepeat(const Error& error, SteadyTime startedAt, Deadline deadline);
  void noteBreaker(SteadyTime now) CORBEL_REQUIRES(mutex_);
  std::chrono::milliseconds retryIn(SteadyTime now) const CORBEL_REQUIRES(mutex_);
  void keepProbing(const std::stop_token& stop);

  const DependencyOptions options_;
  const DependencyParts parts_;
  metrics::Counter& answeredCount_;
  metrics::Counter& failedCount_;
  metrics::Counter& refusedCount_;
  metrics::Counter& retriedCount_;
  metrics::Histogram& duration_;
  metrics::Gauge& breakerGauge_;

  mutable Mutex mutex_;
  std::condition_variable changed_;
  Breaker breaker_ CORBEL_GUARDED_BY(mutex_);
  Bulkhead bulkhead_ CORBEL_GUARDED_BY(mutex_);
  RetryBudget retries_ CORBEL_GUARDED_BY(mutex_);
  BreakerState told_ CORBEL_GUARDED_BY(mutex_) = BreakerState::closed;
  Snapshot facts_ CORBEL_GUARDED_BY(mutex_);
  std::jthread prober_;  // only with options.probe
};

}  // namespace corbel::resilience
