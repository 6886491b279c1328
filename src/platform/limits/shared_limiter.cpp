#include "limits/shared_limiter.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "telemetry/log.h"

namespace corbel::limits {
namespace {

// Long before any window: nothing was admitted here yet.
constexpr std::int64_t kNeverAway = std::numeric_limits<std::int64_t>::min() / 2;

// The charges of a request with this process's part of each quota.
class Parts {
 public:
  Parts(std::span<const Charge> charges, std::uint32_t replicas)
      : count_(std::min(charges.size(), kChargesMax)) {
    for (std::size_t i = 0; i < count_; ++i) {
      charges_[i] = charges[i];
      Quota& quota = charges_[i].quota;
      if (quota.limit > 0) quota.limit = std::max(quota.limit / replicas, 1U);
    }
  }
  // For counting what was granted elsewhere. A log counts units, whatever the quota. A counter
  // counts shares of its quota, so a unit weighs in this process's part only what it should where
  // it is counted as a unit of that part.
  static Parts toCount(std::span<const Charge> charges, std::uint32_t replicas) {
    Parts parts(charges, replicas);
    for (std::size_t i = 0; i < parts.count_; ++i) {
      Charge& charge = parts.charges_[i];
      if (charges[i].quota.limit <= kExactUpTo) charge.quota.limit = charges[i].quota.limit;
      charge.cost = std::min(charge.cost, charge.quota.limit);
    }
    return parts;
  }
  std::span<Charge> charges() { return std::span(charges_).first(count_); }

 private:
  std::array<Charge, kChargesMax> charges_;
  std::size_t count_;
};

}  // namespace

SharedLimiter::SharedLimiter(SharedBuckets& buckets, const Clock& clock, Random& random,
                             SharedLimiterOptions options)
    : buckets_(buckets),
      clock_(clock),
      options_(options),
      here_(clock, random),
      backAtNs_(kNeverAway) {
  isAway_ = false;
  if (const auto joined = buckets_.rejoin(soon()); !joined) goAway(joined.error());
  prober_ = std::jthread([this](const std::stop_token& stop) { keepProbing(stop); });
}

SharedLimiter::~SharedLimiter() {
  prober_.request_stop();
  {
    const MutexLock lock(mutex_);
    wake_.notify_all();
  }
  prober_.join();
}

std::optional<Decision> SharedLimiter::tryAdmit(std::span<const Charge> charges) {
  if (!isAway_) return std::nullopt;
  return admitHere(charges);
}

Decision SharedLimiter::admit(std::span<const Charge> charges) {
  charges = charges.first(std::min(charges.size(), kChargesMax));
  if (isAway_) return admitHere(charges);
  const bool settles = isSettling(charges);
  // What is refused here anyway should take nothing there.
  if (settles) {
    if (auto refusal = refusalHere(charges)) return *refusal;
  }
  auto decision = buckets_.take(charges, soon());
  if (!decision) {
    goAway(decision.error());
    return admitHere(charges);
  }
  if (!decision->allowed) return *decision;
  if (!settles) {
    countHere(charges);
    return *decision;
  }
  // Others may have taken this process's part since it was looked at.
  Decision here = here_.admit(Parts(charges, options_.replicas).charges());
  return here.allowed ? *decision : here;
}

// One by one: a part that is used up already must not keep the others from being counted.
void SharedLimiter::countHere(std::span<const Charge> charges) {
  Parts parts = Parts::toCount(charges, options_.replicas);
  for (const Charge& charge : parts.charges()) here_.admit(std::span(&charge, 1));
}

Decision SharedLimiter::admitHere(std::span<const Charge> charges) {
  local_.fetch_add(1, std::memory_order_relaxed);
  return here_.admit(Parts(charges, options_.replicas).charges());
}

bool SharedLimiter::isSettling(std::span<const Charge> charges) const {
  const std::int64_t now = clock_.steady().time_since_epoch().count();
  const std::int64_t since = now - backAtNs_;
  const auto longest =
      std::ranges::max(charges, {}, [](const Charge& charge) { return charge.quota.window; });
  return since < std::chrono::nanoseconds(longest.quota.window).count();
}

std::optional<Decision> SharedLimiter::refusalHere(std::span<const Charge> charges) {
  Parts parts(charges, options_.replicas);
  for (Charge& charge : parts.charges()) {
    const std::uint32_t cost = std::exchange(charge.cost, 0);
    Decision decision = here_.admit(std::span(&charge, 1));
    if (decision.remaining >= cost) continue;
    decision.allowed = false;
    decision.retryAfter = std::max(decision.reset, std::chrono::seconds(1));
    return decision;
  }
  return std::nullopt;
}

void SharedLimiter::goAway(const Error& error) {
  if (isAway_.exchange(true)) return;
  log::warn("limits", "the shared limits are away; this process uses its part of each",
            {{"detail", error.message}});
  const MutexLock lock(mutex_);
  reason_ = error.message;
  wake_.notify_all();
}

SharedLimiterStats SharedLimiter::stats() const {
  SharedLimiterStats stats{.degraded = isAway_, .local = local_};
  if (!stats.degraded) return stats;
  const MutexLock lock(mutex_);
  stats.reason = reason_;
  return stats;
}

void SharedLimiter::probe() {
  if (!isAway_) return;
  if (const auto joined = buckets_.rejoin(soon()); !joined) {
    const MutexLock lock(mutex_);
    reason_ = joined.error().message;
    return;
  }
  // Before anybody asks them again.
  backAtNs_ = clock_.steady().time_since_epoch().count();
  isAway_ = false;
  log::info("limits", "the shared limits are back");
}

void SharedLimiter::keepProbing(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      while (!isAway_ && !stop.stop_requested()) lock.wait(wake_);
      const auto next = std::chrono::steady_clock::now() + options_.probeEvery;
      while (!stop.stop_requested() && lock.waitUntil(wake_, next)) {
      }
    }
    if (!stop.stop_requested()) probe();
  }
}

}  // namespace corbel::limits
