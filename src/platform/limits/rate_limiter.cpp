#include "limits/rate_limiter.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "bucket_table.h"
#include "sip_hash.h"

namespace corbel::limits {
namespace {

// The principal comes last: whatever bytes it has, it cannot be taken for another part.
std::string_view composed(const BucketKey& key, std::string_view policy) {
  thread_local std::string text;
  text.assign(key.tenant).append(1, '\0').append(policy).append(1, '\0').append(key.principal);
  return text;
}

}  // namespace

// On cache lines of its own, so that neighbours do not slow each other down.
struct alignas(64) RateLimiter::Shard {
  explicit Shard(std::size_t maxBytes) : table(maxBytes) {}
  mutable Mutex mutex;
  BucketTable table CORBEL_GUARDED_BY(mutex);
};

RateLimiter::RateLimiter(const Clock& clock, Random& random, RateLimiterOptions options)
    : clock_(clock) {
  random.fill(std::as_writable_bytes(std::span(seed_)));
  shards_.reserve(options.shards);
  for (std::size_t i = 0; i < options.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(options.maxBytes / options.shards));
  }
}

RateLimiter::~RateLimiter() = default;

Decision RateLimiter::admit(const BucketKey& key, const Quota& quota, std::uint32_t cost) {
  const std::string_view text = composed(key, quota.policy);
  const std::uint64_t hash = SipHash(seed_[0], seed_[1]).of(text);
  Shard& shard = *shards_[hash % shards_.size()];
  const MutexLock lock(shard.mutex);
  // Read under the lock, so that the times in a bucket never go back.
  return shard.table.admit({text, hash}, clock_.steady().time_since_epoch().count(), quota, cost);
}

std::size_t RateLimiter::buckets() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const MutexLock lock(shard->mutex);
    count += shard->table.size();
  }
  return count;
}

std::size_t RateLimiter::bytes() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const MutexLock lock(shard->mutex);
    count += shard->table.bytes();
  }
  return count;
}

std::string rateLimitPolicyField(const Decision& decision) {
  return fmt::format(FMT_COMPILE("\"{}\";q={};w={}"), decision.policy, decision.limit,
                     decision.window.count());
}

std::string rateLimitField(const Decision& decision) {
  return fmt::format(FMT_COMPILE("\"{}\";r={};t={}"), decision.policy, decision.remaining,
                     decision.reset.count());
}

std::string retryAfterField(const Decision& decision) {
  return fmt::format("{}", decision.retryAfter.count());
}

}  // namespace corbel::limits
