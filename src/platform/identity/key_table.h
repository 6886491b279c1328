// What is needed to check a key on the way of every request, in memory.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "crypto/sha256.h"
#include "identity/identity.h"

namespace corbel::identity {

// Immutable but for its last use.
struct KeyEntry {
  std::string id;
  PrincipalRef principal;
  crypto::Sha256Digest secret;
  std::optional<crypto::Sha256Digest> previous;
  Timestamp previousUntil;
  std::optional<Timestamp> expiresAt;
  // Milliseconds since the epoch, 0: never.
  mutable std::atomic<std::int64_t> lastUsedMs = 0;
  mutable std::atomic<std::int64_t> savedMs = 0;

  bool proves(const crypto::Sha256Digest& digest, Timestamp now) const;
  void touch(Timestamp now) const;
};
using KeyEntryRef = std::shared_ptr<const KeyEntry>;

// Thread-safe. Sixteen locks, held for one look-up each.
class KeyTable {
 public:
  KeyEntryRef find(std::string_view prefix) const;
  void put(const std::string& prefix, KeyEntryRef entry);
  void remove(std::string_view prefix);
  std::vector<KeyEntryRef> all() const;
  std::vector<std::string> prefixes() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::unordered_map<std::string, KeyEntryRef, Hash, std::equal_to<>> entries
        CORBEL_GUARDED_BY(mutex);
  };
  Shard& shardOf(std::string_view prefix) { return shards_[Hash()(prefix) % shards_.size()]; }
  const Shard& shardOf(std::string_view prefix) const {
    return shards_[Hash()(prefix) % shards_.size()];
  }

  std::array<Shard, 16> shards_;
};

}  // namespace corbel::identity
