#include "resilience/breaker.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace corbel::resilience {
namespace {

std::int64_t secondOf(SteadyTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

std::string_view name(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::halfOpen:
      return "halfOpen";
  }
  std::unreachable();
}

std::optional<Breaker::Ticket> Breaker::enter(SteadyTime now) {
  if (now < heldUntil_) return std::nullopt;
  if (state_ == BreakerState::closed) return Ticket{generation_, Ticket::Kind::call};
  if (state_ == BreakerState::open && now >= openUntil_) state_ = BreakerState::halfOpen;
  if (state_ == BreakerState::open || tried_) return std::nullopt;
  tried_ = true;
  return Ticket{generation_, Ticket::Kind::trial};
}

std::optional<Breaker::Ticket> Breaker::enterBackground(SteadyTime now) {
  if (state_ == BreakerState::closed || tried_ || now < heldUntil_) return std::nullopt;
  tried_ = true;
  return Ticket{generation_, Ticket::Kind::background};
}

void Breaker::leave(Ticket ticket, Outcome outcome, SteadyTime now) {
  if (ticket.generation != generation_) return;
  switch (ticket.kind) {
    case Ticket::Kind::call:
      return count(outcome, now);
    case Ticket::Kind::trial:
      tried_ = false;
      if (outcome == Outcome::failed) return open(now);
      if (outcome == Outcome::unknown) return;
      close(0);
      lastOpen_ = std::chrono::milliseconds(0);
      return;
    case Ticket::Kind::background:
      tried_ = false;
      // A probe is not a real call: one failure of those is enough to open again.
      if (outcome == Outcome::answered) close(options_.consecutiveFailures - 1);
      return;
  }
}

void Breaker::count(Outcome outcome, SteadyTime now) {
  if (outcome == Outcome::unknown) return;
  const std::int64_t number = secondOf(now);
  Second& second = window_[static_cast<std::size_t>(number) % kWindowSeconds];
  if (second.number != number) second = {.number = number};
  ++second.calls;
  if (outcome == Outcome::answered) {
    consecutive_ = 0;
    lastOpen_ = std::chrono::milliseconds(0);
  } else {
    ++consecutive_;
    ++second.failures;
  }
  if (consecutive_ >= options_.consecutiveFailures || tooManyFailed(now)) open(now);
}

bool Breaker::tooManyFailed(SteadyTime now) const {
  const std::int64_t first = secondOf(now) - static_cast<std::int64_t>(kWindowSeconds);
  int calls = 0;
  int failures = 0;
  for (const Second& second : window_) {
    if (second.number <= first) continue;
    calls += second.calls;
    failures += second.failures;
  }
  return calls >= options_.windowCalls && failures * 100 >= calls * options_.windowFailuresPercent;
}

void Breaker::open(SteadyTime now) {
  lastOpen_ =
      lastOpen_.count() == 0 ? options_.firstOpen : std::min(2 * lastOpen_, options_.longestOpen);
  openUntil_ = now + drawn(lastOpen_);
  state_ = BreakerState::open;
  tried_ = false;
  ++generation_;
}

void Breaker::close(int failuresSoFar) {
  state_ = BreakerState::closed;
  consecutive_ = failuresSoFar;
  window_.fill({});
  ++generation_;
}

std::chrono::milliseconds Breaker::drawn(std::chrono::milliseconds longest) {
  std::uint64_t number = 0;
  random_.fill(std::as_writable_bytes(std::span(&number, 1)));
  const auto span = static_cast<std::uint64_t>(longest.count() / 5);
  return longest - std::chrono::milliseconds(number % (span + 1));
}

void Breaker::pushBack(std::chrono::milliseconds pause, SteadyTime now) {
  const auto bounded = std::clamp(pause, std::chrono::milliseconds(0), options_.longestPushBack);
  heldUntil_ = std::max(heldUntil_, now + bounded);
}

BreakerState Breaker::state(SteadyTime now) const {
  if (now < heldUntil_) return BreakerState::open;
  if (state_ == BreakerState::open && now >= openUntil_) return BreakerState::halfOpen;
  return state_;
}

SteadyTime Breaker::retryAt(SteadyTime now) const {
  const SteadyTime held = std::max(now, heldUntil_);
  return state_ == BreakerState::open ? std::max(held, openUntil_) : held;
}

}  // namespace corbel::resilience
