#include "bucket_table.h"

#include <algorithm>

namespace corbel::limits {
namespace {

// Of one bucket beside itself: node of the list, node and slot of the table (libstdc++).
constexpr std::size_t kNodeBytes = 96;
// A full shard looks at so many of its oldest buckets for idle ones, so that being full costs
// little.
constexpr int kTries = 8;
// The largest step by which a log grows.
constexpr std::size_t kLargestGrowth = 512 * SlidingLog::kEntryBytes;

}  // namespace

Decision BucketTable::admit(const Key& key, std::int64_t now, const Quota& quota,
                            std::uint32_t cost) {
  Bucket* const bucket = findOrMake(key, now);
  if (bucket == nullptr) {
    return {.allowed = false,
            .policy = quota.policy,
            .limit = quota.limit,
            .window = quota.window,
            .retryAfter = std::chrono::seconds(1)};
  }
  makeRoom(kLargestGrowth, now);
  const std::size_t before = bucket->bytes();
  const Decision decision = bucket->admit(now, quota, cost, room());
  bytes_ = bytes_ - before + bucket->bytes();
  return decision;
}

void BucketTable::takeBack(const Key& key, const Quota& quota, std::uint32_t cost) {
  if (const auto found = byKey_.find(key); found != byKey_.end())
    found->second->takeBack(quota, cost);
}

Bucket* BucketTable::findOrMake(const Key& key, std::int64_t now) {
  if (const auto found = byKey_.find(key); found != byKey_.end()) {
    byUse_.splice(byUse_.begin(), byUse_, found->second);
    return &byUse_.front();
  }
  const std::size_t needed = Bucket::bytesFor(key.text) + kNodeBytes;
  makeRoom(needed, now);
  if (room() < needed) return nullptr;
  Bucket& bucket = byUse_.emplace_front(key.text, key.hash);
  byKey_.emplace(Key{bucket.key(), key.hash}, byUse_.begin());
  bytes_ += bucket.bytes() + kNodeBytes;
  return &bucket;
}

void BucketTable::makeRoom(std::size_t needed, std::int64_t now) {
  if (room() >= needed || byUse_.empty()) return;
  auto candidate = std::prev(byUse_.end());
  for (int tries = 0; tries < kTries && room() < needed && candidate != byUse_.begin(); ++tries) {
    const auto bucket = candidate--;
    if (!bucket->isIdle(now)) continue;
    bytes_ -= bucket->bytes() + kNodeBytes;
    byKey_.erase(Key{bucket->key(), bucket->hash()});
    byUse_.erase(bucket);
  }
}

}  // namespace corbel::limits
