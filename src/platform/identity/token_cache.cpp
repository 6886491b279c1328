#include "token_cache.h"

#include <cstring>

namespace corbel::identity {
namespace {

// Both nodes, the control block and the slot (libstdc++).
constexpr std::size_t kNodeBytes = 256;

std::size_t bytesOfText(const std::string& text) { return sizeof(text) + text.capacity(); }

std::size_t bytesOf(const Principal& principal) {
  std::size_t bytes = sizeof(principal) + principal.id.capacity() + principal.name.capacity();
  for (const Membership& membership : principal.memberships) {
    bytes += sizeof(membership) + bytesOfText(membership.tenant);
    for (const std::string& role : membership.roles) bytes += bytesOfText(role);
  }
  return bytes;
}

}  // namespace

std::size_t TokenCache::Hash::operator()(const crypto::Sha256Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof(hash));
  return hash;
}

void TokenCache::Shard::erase(Nodes::iterator node) {
  bytes -= node->bytes;
  byToken.erase(node->token);
  byAge.erase(node);
}

std::optional<PrincipalRef> TokenCache::find(const crypto::Sha256Digest& token,
                                             const Clock& clock) {
  Shard& shard = shardOf(token);
  const MutexLock lock(shard.mutex);
  const auto found = shard.byToken.find(token);
  if (found == shard.byToken.end()) return std::nullopt;
  const Entry& entry = found->second->entry;
  if (clock.steady() < entry.keepUntil && clock.now() < entry.expiresAt) return entry.principal;
  shard.erase(found->second);
  return std::nullopt;
}

void TokenCache::put(const crypto::Sha256Digest& token, Entry entry) {
  const std::size_t needed =
      kNodeBytes + (entry.principal == nullptr ? 0 : bytesOf(*entry.principal));
  if (needed > maxBytesOfShard_) return;
  Shard& shard = shardOf(token);
  const MutexLock lock(shard.mutex);
  if (const auto known = shard.byToken.find(token); known != shard.byToken.end())
    shard.erase(known->second);
  while (shard.bytes + needed > maxBytesOfShard_) shard.erase(shard.byAge.begin());
  shard.byAge.push_back({token, std::move(entry), needed});
  shard.byToken.emplace(token, std::prev(shard.byAge.end()));
  shard.bytes += needed;
}

std::size_t TokenCache::forget(std::string_view principal) {
  std::size_t count = 0;
  for (Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    for (auto node = shard.byAge.begin(); node != shard.byAge.end();) {
      const auto next = std::next(node);
      if (const auto& of = node->entry.principal; of != nullptr && of->id == principal) {
        shard.erase(node);
        ++count;
      }
      node = next;
    }
  }
  return count;
}

std::size_t TokenCache::bytes() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    total += shard.bytes;
  }
  return total;
}

}  // namespace corbel::identity
