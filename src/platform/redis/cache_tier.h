// Cached values in Redis, which all processes share.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "cache/cache.h"
#include "redis/redis.h"

namespace corbel::redis {

// Keys hold a hash of tenant and name. Values expire by themselves; a server that is away, full or
// slow has none. Values of more than a mebibyte are not kept. Thread-safe.
class CacheTier final : public cache::Tier {
 public:
  // Both must outlive it.
  CacheTier(Client& client, const Clock& clock) : client_(client), clock_(clock) {}

  std::optional<cache::Entry> find(const cache::Key& key, Deadline deadline) override;
  void put(const cache::Key& key, const cache::Entry& entry,
           std::chrono::milliseconds staleFor) override;
  // Of all tenants: keys do not tell whose they are. unavailable: the server is.
  Result<std::int64_t> forget(std::string_view tenant, Deadline deadline) override;
  Result<void> sweep(Deadline) override { return {}; }

 private:
  Client& client_;
  const Clock& clock_;
};

}  // namespace corbel::redis
