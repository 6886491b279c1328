// What was found out about tokens, for a short time.
#pragma once
#include <array>
#include <cstddef>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "crypto/sha256.h"
#include "identity/identity.h"

namespace corbel::identity {

// Thread-safe. Keys are digests of whole tokens: tokens that share a beginning stay different.
// Bounded in bytes: the oldest entries go first.
class TokenCache {
 public:
  explicit TokenCache(std::size_t maxBytes) : maxBytesOfShard_(maxBytes / kShards) {}

  struct Entry {
    PrincipalRef principal;  // null: the token proves nobody
    Timestamp expiresAt;     // of the token, by the wall clock
    SteadyTime keepUntil;
  };
  // Nothing: unknown, expired or kept long enough.
  std::optional<PrincipalRef> find(const crypto::Sha256Digest& token, const Clock& clock);
  void put(const crypto::Sha256Digest& token, Entry entry);
  // Every token of the principal; how many.
  std::size_t forget(std::string_view principal);

  std::size_t bytes() const;

 private:
  static constexpr std::size_t kShards = 16;
  struct Hash {
    std::size_t operator()(const crypto::Sha256Digest& digest) const;
  };
  struct Node {
    crypto::Sha256Digest token;
    Entry entry;
    std::size_t bytes;
  };
  using Nodes = std::list<Node>;
  struct alignas(64) Shard {
    mutable Mutex mutex;
    Nodes byAge CORBEL_GUARDED_BY(mutex);  // oldest first
    std::unordered_map<crypto::Sha256Digest, Nodes::iterator, Hash> byToken
        CORBEL_GUARDED_BY(mutex);
    std::size_t bytes CORBEL_GUARDED_BY(mutex) = 0;

    void erase(Nodes::iterator node) CORBEL_REQUIRES(mutex);
  };
  Shard& shardOf(const crypto::Sha256Digest& token) {
    return shards_[std::to_integer<std::size_t>(token[31]) % kShards];
  }

  const std::size_t maxBytesOfShard_;
  std::array<Shard, kShards> shards_;
};

}  // namespace corbel::identity
