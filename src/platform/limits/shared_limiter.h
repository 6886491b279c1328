// One bucket over several processes, and what happens while the place where they share it is away.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "limits/memory_limiter.h"
#include "limits/rate_limiter.h"

namespace corbel::limits {

// Buckets that several processes use, such as those in Redis. Thread-safe.
class SharedBuckets {
 public:
  virtual ~SharedBuckets() = default;
  // As RateLimiter::admit, for all processes together. An error: they are away, or have been since
  // the last rejoin() and may have lost their memory; whether anything was taken is not known.
  virtual Result<Decision> take(std::span<const Charge> charges, Deadline deadline) = 0;
  // Whether they can be used now, whatever they have forgotten.
  virtual Result<void> rejoin(Deadline deadline) = 0;
};

struct SharedLimiterOptions {
  std::uint32_t replicas = 1;  // processes that share the buckets; each has this part of a quota
                               // while they are away, but at least 1
  std::chrono::milliseconds timeout{50};  // of one call
  std::chrono::milliseconds probeEvery{500};
};

struct SharedLimiterStats {
  bool degraded = false;
  std::uint64_t local = 0;  // decisions without the shared buckets
  std::string reason = {};  // why it is degraded
};

// Thread-safe; waits for the shared buckets only within admit().
//
// When a call of the shared buckets fails, this process allows its part of every quota by itself,
// from that request on, and asks them again every probeEvery until they answer. What they granted
// to this process is counted here as well, so its part holds for what was granted before, too. When
// they are back, which may be without their memory, a request needs the consent of both for one
// window: so in any window around an absence at most one quota more is admitted than the quota
// (given quotas of at least one a replica).
class SharedLimiter final : public RateLimiter {
 public:
  // All must outlive it. Asks the buckets once before it returns.
  SharedLimiter(SharedBuckets& buckets, const Clock& clock, Random& random,
                SharedLimiterOptions options);
  ~SharedLimiter() override;

  // Decides only while the shared buckets are away.
  std::optional<Decision> tryAdmit(std::span<const Charge> charges) override;
  Decision admit(std::span<const Charge> charges) override;

  // Asks the shared buckets now whether they are back; its own thread does so from time to time.
  void probe();
  SharedLimiterStats stats() const;

 private:
  Decision admitHere(std::span<const Charge> charges);
  // What the shared buckets have granted to this process.
  void countHere(std::span<const Charge> charges);
  // Whether the shared buckets may not know what this process has admitted without them.
  bool isSettling(std::span<const Charge> charges) const;
  // The refusal by this process's part, if it has not enough left now; takes nothing.
  std::optional<Decision> refusalHere(std::span<const Charge> charges);
  Deadline soon() const { return Deadline::after(clock_, options_.timeout); }
  void goAway(const Error& error);
  void keepProbing(const std::stop_token& stop);

  SharedBuckets& buckets_;
  const Clock& clock_;
  const SharedLimiterOptions options_;
  MemoryLimiter here_;
  std::atomic<bool> isAway_ = true;
  std::atomic<std::int64_t> backAtNs_;  // on the steady clock
  std::atomic<std::uint64_t> local_ = 0;
  mutable Mutex mutex_;
  std::condition_variable wake_;
  std::string reason_ CORBEL_GUARDED_BY(mutex_);
  std::jthread prober_;  // the last: it works with all others
};

}  // namespace corbel::limits
