// Buckets of limits in Redis: one for all processes that use the same server.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>

#include "base/deadline.h"
#include "base/result.h"
#include "limits/shared_limiter.h"
#include "redis/redis.h"

namespace corbel::redis {

// The same sliding log and counter as in memory, by the server's clock, as one script: all charges
// of a request or none. Keys hold a hash of tenant and principal, never their names, and expire
// with their window. A limit that crosses limits::kExactUpTo begins anew. Thread-safe.
class LimitBuckets final : public limits::SharedBuckets {
 public:
  // `client` must outlive it.
  explicit LimitBuckets(Client& client);

  // unavailable: the server is lost, refuses (loading, read-only, out of memory), answers nonsense,
  // or was lost since rejoin() and may have forgotten. deadline_exceeded.
  Result<limits::Decision> take(std::span<const limits::Charge> charges,
                                Deadline deadline) override;
  // Charges a bucket of its own: the answer tells that scripts run and may write.
  Result<void> rejoin(Deadline deadline) override;

 private:
  Client& client_;
  const Script script_;
  std::atomic<std::uint64_t> losses_;  // at the last rejoin()
};

}  // namespace corbel::redis
