#include "resilience/dependency.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::resilience {
namespace {

constexpr std::string_view kModule = "resilience";

std::chrono::milliseconds fullJitter(Random& random, std::chrono::milliseconds longest) {
  std::uint64_t number = 0;
  random.fill(std::as_writable_bytes(std::span(&number, 1)));
  return std::chrono::milliseconds(number % (static_cast<std::uint64_t>(longest.count()) + 1));
}

double asGauge(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return 0;
    case BreakerState::halfOpen:
      return 1;
    case BreakerState::open:
      return 2;
  }
  std::unreachable();
}

}  // namespace

Outcome outcomeOf(const Error& error) {
  const bool failed = error.code == ErrorCode::unavailable || error.code == ErrorCode::internal ||
                      error.code == ErrorCode::deadlineExceeded;
  return failed ? Outcome::failed : Outcome::answered;
}

Permit::~Permit() {
  if (dependency_ != nullptr)
    dependency_->leave(*this, outcome_.value_or(Outcome::unknown), nullptr);
}

void Permit::pushBack(std::chrono::milliseconds pause) {
  dependency_->pushBack(pause);
  outcome_ = Outcome::answered;
}

void Permit::finish(const Error* error) {
  Outcome outcome = error == nullptr ? Outcome::answered : outcomeOf(*error);
  if (error != nullptr && error->code == ErrorCode::deadlineExceeded && isShort_)
    outcome = Outcome::unknown;
  dependency_->leave(*this, outcome_.value_or(outcome), error);
  dependency_ = nullptr;
}

Dependency::Dependency(DependencyOptions options, const DependencyParts& parts)
    : options_(std::move(options)),
      parts_(parts),
      answeredCount_(parts.metrics.of(metrics::kDependencyCalls).with("answered", options_.name)),
      failedCount_(parts.metrics.of(metrics::kDependencyCalls).with("failed", options_.name)),
      refusedCount_(parts.metrics.of(metrics::kDependencyCalls).with("refused", options_.name)),
      retriedCount_(parts.metrics.of(metrics::kDependencyRetries).with(options_.name)),
      duration_(parts.metrics.of(metrics::kDependencyDuration).with(options_.name)),
      breakerGauge_(parts.metrics.of(metrics::kDependencyBreaker).with(options_.name)),
      breaker_(options_.breaker, parts.random),
      bulkhead_(options_.bulkhead),
      retries_(options_.retries, parts.clock.steady()) {
  facts_.name = options_.name;
  facts_.endpoint = options_.endpoint;
  if (options_.probe)
    prober_ = std::jthread([this](const std::stop_token& stop) { keepProbing(stop); });
}

Dependency::~Dependency() {
  if (!prober_.joinable()) return;
  prober_.request_stop();
  prober_.join();
}

Result<Permit> Dependency::enter(Deadline deadline) { return enter(deadline, Waiting::allowed); }

Result<Permit> Dependency::tryEnter(Deadline deadline) { return enter(deadline, Waiting::no); }

Result<Permit> Dependency::enter(Deadline deadline, Waiting waiting) {
  MutexLock lock(mutex_);
  if (deadline.expired(parts_.clock))
    return refuse(ErrorCode::deadlineExceeded, "there was no time left");
  const Deadline usable = Deadline::at(deadline.time() - options_.margin);
  const auto wait = waiting == Waiting::no ? std::chrono::milliseconds(0) : options_.waitMax;
  CORBEL_CHECK(takePlace(lock, usable.earlier(Deadline::after(parts_.clock, wait))));
  const SteadyTime now = parts_.clock.steady();
  if (now >= usable.time()) {
    bulkhead_.leave();
    changed_.notify_all();
    return refuse(ErrorCode::deadlineExceeded, "there was no time left");
  }
  const auto ticket = breaker_.enter(now);
  if (!ticket) {
    bulkhead_.leave();
    changed_.notify_all();
    return refuse(ErrorCode::unavailable, "the breaker is open");
  }
  noteBreaker(now);
  const Deadline own = usable.earlier(Deadline::at(now + options_.cap));
  return Permit(*this, *ticket, now, own, own.time() - now < options_.cap / 2);
}

Result<void> Dependency::takePlace(MutexLock& lock, Deadline until) {
  // Nobody waits for a place that would be of no use.
  const auto isRefused = [&]() CORBEL_REQUIRES(mutex_) {
    const SteadyTime now = parts_.clock.steady();
    return breaker_.state(now) == BreakerState::open;
  };
  if (isRefused()) return refuse(ErrorCode::unavailable, "the breaker is open");
  if (bulkhead_.tryEnter()) return {};
  const bool mayWait = !until.expired(parts_.clock);
  const auto turn = mayWait ? bulkhead_.enqueue() : std::nullopt;
  if (!turn) return refuse(ErrorCode::unavailable, "too many calls at once");
  while (!bulkhead_.tryEnter(*turn)) {
    const bool inTime = waitUntil(lock, changed_, until, parts_.clock);
    const bool refused = isRefused();
    if (inTime && !refused) continue;
    if (!refused && bulkhead_.tryEnter(*turn)) break;
    bulkhead_.giveUp(*turn);
    changed_.notify_all();
    return refuse(ErrorCode::unavailable, refused ? "the breaker is open" : "no place in time");
  }
  // Where several places became free at once, the next may have looked before it was his turn.
  if (bulkhead_.waiting() > 0) changed_.notify_all();
  return {};
}

std::unexpected<Error> Dependency::refuse(ErrorCode code, std::string detail) {
  ++facts_.refused;
  refusedCount_.add();
  if (code == ErrorCode::deadlineExceeded) {
    return fail(code, "There was no time left to ask a service that is needed.",
                fmt::format("{}: {}", options_.name, detail));
  }
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(retryIn(parts_.clock.steady())).count();
  return fail(code,
              fmt::format("A service that is needed does not answer now. Try again in {} s.",
                          std::max<std::int64_t>(seconds, 1)),
              fmt::format("{}: {}{}", options_.name, detail,
                          facts_.lastError ? "; last error: " + facts_.lastError->message : ""));
}

void Dependency::leave(const Permit& permit, Outcome outcome, const Error* error) {
  const SteadyTime now = parts_.clock.steady();
  const auto took = now - permit.startedAt_;
  if (outcome != Outcome::unknown) {
    (outcome == Outcome::answered ? answeredCount_ : failedCount_).add();
    duration_.observe(took);
  }
  const MutexLock lock(mutex_);
  bulkhead_.leave();
  breaker_.leave(permit.ticket_, outcome, now);
  if (outcome == Outcome::answered) {
    ++facts_.answered;
    facts_.latency = took;
  }
  if (outcome == Outcome::failed) {
    ++facts_.failed;
    facts_.lastError =
        error != nullptr ? *error : Error{ErrorCode::unavailable, "It failed.", {}, {}};
    facts_.lastErrorAt = parts_.clock.now();
  }
  noteBreaker(now);
  changed_.notify_all();
}

void Dependency::pushBack(std::chrono::milliseconds pause) {
  const MutexLock lock(mutex_);
  const SteadyTime now = parts_.clock.steady();
  breaker_.pushBack(pause, now);
  noteBreaker(now);
  changed_.notify_all();
}

void Dependency::noteFirstAttempt() {
  if (options_.repeat == Repeat::never) return;
  const MutexLock lock(mutex_);
  retries_.firstAttempt();
}

bool Dependency::mayRepeat(const Error& error, SteadyTime startedAt, Deadline deadline) {
  // An attempt that used up its own time would use it up again.
  const bool failed = outcomeOf(error) == Outcome::failed;
  if (options_.repeat == Repeat::never || !failed || error.code == ErrorCode::deadlineExceeded)
    return false;
  const SteadyTime now = parts_.clock.steady();
  const auto pause = fullJitter(parts_.random, options_.pauseMax);
  if (deadline.time() - options_.margin <= now + pause + (now - startedAt)) return false;
  {
    const MutexLock lock(mutex_);
    if (breaker_.state(now) == BreakerState::open || !retries_.tryRetry(now)) return false;
    ++facts_.retried;
  }
  retriedCount_.add();
  std::this_thread::sleep_for(pause);
  return true;
}

void Dependency::noteBreaker(SteadyTime now) {
  const BreakerState state = breaker_.state(now);
  if (state == told_) return;
  told_ = state;
  breakerGauge_.set(asGauge(state));
  if (state == BreakerState::open) {
    log::warn(kModule, "not asked for a while",
              {{"dependency", options_.name},
               {"error", facts_.lastError ? facts_.lastError->message : ""},
               {"detail", facts_.lastError ? facts_.lastError->detail : ""}});
  } else if (state == BreakerState::closed) {
    log::info(kModule, "answers again", {{"dependency", options_.name}});
  }
}

std::chrono::milliseconds Dependency::retryIn(SteadyTime now) const {
  return std::chrono::ceil<std::chrono::milliseconds>(breaker_.retryAt(now) - now);
}

std::chrono::milliseconds Dependency::retryIn() const {
  const MutexLock lock(mutex_);
  return retryIn(parts_.clock.steady());
}

bool Dependency::isOpen() const {
  const MutexLock lock(mutex_);
  return breaker_.state(parts_.clock.steady()) == BreakerState::open;
}

Snapshot Dependency::snapshot() const {
  const MutexLock lock(mutex_);
  const SteadyTime now = parts_.clock.steady();
  Snapshot snapshot = facts_;
  snapshot.breaker = breaker_.state(now);
  snapshot.retryIn = retryIn(now);
  snapshot.running = bulkhead_.running();
  snapshot.waiting = bulkhead_.waiting();
  return snapshot;
}

bool Dependency::probeNow() {
  std::optional<Breaker::Ticket> ticket;
  {
    const MutexLock lock(mutex_);
    ticket = breaker_.enterBackground(parts_.clock.steady());
  }
  if (!ticket) return false;
  const auto answer =
      options_.probe(Deadline::after(parts_.clock, std::min(options_.cap, kProbeTime)));
  const MutexLock lock(mutex_);
  const SteadyTime now = parts_.clock.steady();
  breaker_.leave(*ticket, answer ? Outcome::answered : Outcome::failed, now);
  noteBreaker(now);
  changed_.notify_all();
  return breaker_.state(now) == BreakerState::closed;
}

void Dependency::keepProbing(const std::stop_token& stop) {
  const std::stop_callback onStop(stop, [this] {
    const MutexLock lock(mutex_);
    changed_.notify_all();
  });
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      while (!stop.stop_requested() &&
             breaker_.state(parts_.clock.steady()) == BreakerState::closed)
        lock.wait(changed_);
      const auto next = std::chrono::steady_clock::now() + kProbeEvery;
      while (!stop.stop_requested() && std::chrono::steady_clock::now() < next)
        lock.waitUntil(changed_, next);
    }
    if (!stop.stop_requested()) probeNow();
  }
}

}  // namespace corbel::resilience
