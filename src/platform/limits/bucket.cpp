#include "bucket.h"

#include <algorithm>

namespace corbel::limits {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

std::int64_t windowOf(const Quota& quota) { return nanoseconds(quota.window).count(); }

seconds roundedUp(std::int64_t duration) {
  return std::chrono::ceil<seconds>(nanoseconds(std::max<std::int64_t>(duration, 0)));
}

seconds retryAfter(std::int64_t duration) { return std::max(roundedUp(duration), seconds(1)); }

// Rounded up: rounding down would admit a little more than the quota.
std::int64_t timeOfOneUnit(const Quota& quota) {
  return (windowOf(quota) + quota.limit - 1) / quota.limit;
}

Decision decisionOf(const Quota& quota) {
  return {.allowed = false, .policy = quota.policy, .limit = quota.limit, .window = quota.window};
}

}  // namespace

Decision Bucket::admit(std::int64_t now, const Quota& quota, std::uint32_t cost, std::size_t room) {
  const bool counts = quota.limit > kExactUpTo;
  if (counts) {
    if (!counts_) becomeCounter(now, quota);
    return admitByCounter(now, quota, cost);
  }
  const std::size_t before = bytes_;
  if (counts_ && !becomeLog(now, quota, room)) {
    Decision decision = decisionOf(quota);
    decision.retryAfter = seconds(1);
    return decision;
  }
  return admitByLog(now, quota, cost, room - (bytes_ - before));
}

void Bucket::takeBack(const Quota& quota, std::uint32_t cost) {
  if (cost == 0) return;
  if (counts_) {
    fullFrom_ -= timeOfOneUnit(quota) * cost;
  } else {
    log_.takeBack(cost);
  }
}

Decision Bucket::admitByLog(std::int64_t now, const Quota& quota, std::uint32_t cost,
                            std::size_t room) {
  const std::int64_t window = windowOf(quota);
  log_.forgetUntil(now - window);
  Decision decision = decisionOf(quota);
  const std::uint32_t used = std::min(log_.used(), quota.limit);
  const std::uint32_t left = quota.limit - used;
  const std::size_t growth = cost == 0 ? 0 : log_.growthFor(now);
  if (cost <= left && growth <= room) {
    decision.allowed = true;
    decision.remaining = left - cost;
    if (cost > 0) {
      log_.add(now, cost);
      bytes_ += growth;
      idleFrom_ = now + window;
    }
  } else {
    decision.remaining = left;
    // A lowered limit may leave more in the log than it allows: all above it has to leave too.
    const std::uint32_t tooMany = log_.used() - used + (cost > left ? cost - left : 0);
    if (cost <= quota.limit) {
      decision.retryAfter =
          tooMany == 0 ? seconds(1) : retryAfter(log_.timeOfUnit(tooMany) + window - now);
    }
  }
  decision.reset = log_.empty() ? seconds(0) : roundedUp(log_.oldest() + window - now);
  return decision;
}

Decision Bucket::admitByCounter(std::int64_t now, const Quota& quota, std::uint32_t cost) {
  const std::int64_t unit = timeOfOneUnit(quota);
  const std::int64_t whole = unit * quota.limit;
  const std::int64_t owed = std::max<std::int64_t>(fullFrom_ - now, 0);
  Decision decision = decisionOf(quota);
  std::int64_t after = owed + unit * cost;
  if (after <= whole) {
    decision.allowed = true;
    fullFrom_ = now + after;
    idleFrom_ = fullFrom_;
  } else {
    if (cost <= quota.limit) decision.retryAfter = retryAfter(after - whole);
    after = owed;
  }
  decision.remaining = static_cast<std::uint32_t>(std::max<std::int64_t>(whole - after, 0) / unit);
  decision.reset = roundedUp(after);
  return decision;
}

// A changed limit keeps what was used, so that nobody gets a fresh quota by it.
void Bucket::becomeCounter(std::int64_t now, const Quota& quota) {
  log_.forgetUntil(now - windowOf(quota));
  fullFrom_ = now + timeOfOneUnit(quota) * log_.used();
  idleFrom_ = fullFrom_;
  log_ = SlidingLog();
  bytes_ = sizeof(Bucket) + key_.capacity();
  counts_ = true;
}

bool Bucket::becomeLog(std::int64_t now, const Quota& quota, std::size_t room) {
  const std::int64_t owed = std::clamp<std::int64_t>(fullFrom_ - now, 0, windowOf(quota));
  const auto used =
      static_cast<std::uint32_t>(quota.limit * std::chrono::duration<double>(nanoseconds(owed)) /
                                 std::chrono::duration<double>(quota.window));
  if (used > 0) {
    const std::size_t growth = log_.growthFor(now);
    if (growth > room) return false;
    bytes_ += growth;
    log_.add(now, used);
    idleFrom_ = now + windowOf(quota);
  }
  counts_ = false;
  return true;
}

}  // namespace corbel::limits
