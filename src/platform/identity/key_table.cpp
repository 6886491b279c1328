#include "key_table.h"

#include "crypto/encoding.h"

namespace corbel::identity {
namespace {

// How exact the last use is: writing it on every call would make one cache line the meeting point
// of all threads.
constexpr std::int64_t kLastUseStepMs = 1'000;

}  // namespace

bool KeyEntry::proves(const crypto::Sha256Digest& digest, Timestamp now) const {
  const bool isSecret = crypto::equalInConstantTime(secret, digest);
  const bool isPrevious =
      previous && now < previousUntil && crypto::equalInConstantTime(*previous, digest);
  return isSecret || isPrevious;
}

void KeyEntry::touch(Timestamp now) const {
  const std::int64_t nowMs = now.time_since_epoch().count();
  if (nowMs - lastUsedMs.load(std::memory_order_relaxed) >= kLastUseStepMs) {
    lastUsedMs.store(nowMs, std::memory_order_relaxed);
  }
}

KeyEntryRef KeyTable::find(std::string_view prefix) const {
  const Shard& shard = shardOf(prefix);
  const MutexLock lock(shard.mutex);
  const auto found = shard.entries.find(prefix);
  return found == shard.entries.end() ? nullptr : found->second;
}

void KeyTable::put(const std::string& prefix, KeyEntryRef entry) {
  Shard& shard = shardOf(prefix);
  const MutexLock lock(shard.mutex);
  shard.entries.insert_or_assign(prefix, std::move(entry));
}

void KeyTable::remove(std::string_view prefix) {
  Shard& shard = shardOf(prefix);
  const MutexLock lock(shard.mutex);
  if (const auto found = shard.entries.find(prefix); found != shard.entries.end())
    shard.entries.erase(found);
}

std::vector<std::string> KeyTable::prefixes() const {
  std::vector<std::string> prefixes;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    for (const auto& [prefix, entry] : shard.entries) prefixes.push_back(prefix);
  }
  return prefixes;
}

std::vector<KeyEntryRef> KeyTable::all() const {
  std::vector<KeyEntryRef> entries;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    for (const auto& [prefix, entry] : shard.entries) entries.push_back(entry);
  }
  return entries;
}

}  // namespace corbel::identity
