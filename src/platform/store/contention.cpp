#include "contention.h"

#include <string>
#include <utility>

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

constexpr const char* kContended = "somebody else is changing this; try again";
// Two: one may have been bad luck. A lock that is let go is noticed within longestOpen.
constexpr resilience::BreakerOptions kBreaker{
    .consecutiveFailures = 2, .firstOpen = milliseconds(1'000), .longestOpen = milliseconds(3'000)};

}  // namespace

Error contendedError(std::string detail) {
  return {ErrorCode::unavailable, kContended, std::move(detail), {}};
}

bool isContended(const Error& error) { return error.message == kContended; }

Result<Contention::Ticket> Contention::enter(std::string_view statement, SteadyTime now) {
  if (count_ == 0) return std::nullopt;
  const MutexLock lock(mutex_);
  const auto found = breakers_.find(statement.data());
  if (found == breakers_.end()) return std::nullopt;
  const auto ticket = found->second.enter(now);
  if (!ticket) {
    return std::unexpected(contendedError("others have waited in vain: " + std::string(statement)));
  }
  return ticket;
}

void Contention::leave(std::string_view statement, Ticket ticket, const Error* error,
                       SteadyTime now) {
  const bool isLocked = error != nullptr && isContended(*error);
  if (!ticket && !isLocked) return;
  const MutexLock lock(mutex_);
  if (error == nullptr) {
    breakers_.erase(statement.data());
  } else {
    resilience::Breaker& breaker =
        breakers_.try_emplace(statement.data(), kBreaker, random_).first->second;
    if (!ticket) ticket = breaker.enter(now);
    const auto outcome = isLocked ? resilience::Outcome::failed : resilience::Outcome::unknown;
    if (ticket) breaker.leave(*ticket, outcome, now);
  }
  count_ = breakers_.size();
}

}  // namespace corbel::store
