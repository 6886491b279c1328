#include "memory_shard.h"

namespace corbel::cache {
namespace {

// Of one entry beside its texts: node of the list, node and slot of the table (libstdc++), and what
// the allocator adds to each of the four. ./dev bench cache compares the sum with the process.
constexpr std::size_t kEntryBytes = 320;
// Texts of all lengths come and go, which leaves gaps: a sixth.
constexpr std::size_t kGaps = 6;

}  // namespace

std::size_t MemoryShard::bytesOf(std::string_view key, std::string_view value) {
  const std::size_t texts = key.size() + value.size();
  return texts + texts / kGaps + kEntryBytes;
}

std::optional<Entry> MemoryShard::find(std::string_view key, SteadyTime now) {
  const MutexLock lock(mutex_);
  const auto found = byKey_.find(key);
  if (found == byKey_.end()) return std::nullopt;
  const auto node = found->second;
  if (node->keptUntil <= now) {
    drop(node);
    return std::nullopt;
  }
  byUse_.splice(byUse_.begin(), byUse_, node);
  return Entry{node->value,
               std::chrono::duration_cast<std::chrono::milliseconds>(node->freshUntil - now)};
}

void MemoryShard::put(std::string_view key, std::string_view value, SteadyTime freshUntil,
                      SteadyTime keptUntil) {
  const std::size_t needed = bytesOf(key, value);
  const MutexLock lock(mutex_);
  if (const auto found = byKey_.find(key); found != byKey_.end()) drop(found->second);
  if (needed > maxBytes_) return;
  while (bytes_ + needed > maxBytes_) drop(std::prev(byUse_.end()));
  byUse_.push_front({std::string(key), std::string(value), freshUntil, keptUntil});
  byKey_.emplace(byUse_.front().key, byUse_.begin());
  bytes_ += needed;
}

void MemoryShard::shrink() {
  const MutexLock lock(mutex_);
  const std::size_t most = bytes_ / 2;
  while (bytes_ > most) drop(std::prev(byUse_.end()));
}

void MemoryShard::drop(Nodes::iterator node) {
  bytes_ -= bytesOf(node->key, node->value);
  byKey_.erase(node->key);
  byUse_.erase(node);
}

std::size_t MemoryShard::entries() const {
  const MutexLock lock(mutex_);
  return byKey_.size();
}

std::size_t MemoryShard::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace corbel::cache
