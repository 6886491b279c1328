// Buckets in this process's memory.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "limits/rate_limiter.h"

namespace corbel::limits {

struct MemoryLimiterOptions {
  std::size_t maxBytes = std::size_t{64} * 1024 * 1024;
  std::size_t shards = 64;  // locks; a bucket lives in one
};

// Thread-safe; never waits for anything but other threads in the same shards.
//
// Memory is bounded by options.maxBytes. Only buckets that are idle (nothing in their window) are
// given up, so forgetting one never admits anything that remembering it would refuse. Where memory
// is full of buckets in use, requests that need a new or larger bucket are refused until one
// becomes idle. A changed limit keeps what was used.
class MemoryLimiter final : public RateLimiter {
 public:
  // `clock` must outlive it; `random` seeds the hash, so that nobody can choose ids that meet in
  // one slot.
  MemoryLimiter(const Clock& clock, Random& random, MemoryLimiterOptions options = {});
  ~MemoryLimiter() override;

  std::optional<Decision> tryAdmit(std::span<const Charge> charges) override {
    return admit(charges);
  }
  Decision admit(std::span<const Charge> charges) override;

  // Now in use, all shards.
  std::size_t buckets() const;
  std::size_t bytes() const;

 private:
  struct Shard;
  struct Place;
  // The place that did not fit; null: all were taken. While later shards are asked the earlier ones
  // stay locked, so that nobody sees what is taken back. `places` are in the order of their shards,
  // as every thread locks them.
  Place* take(std::span<Place> places);

  const Clock& clock_;
  std::array<std::uint64_t, 2> seed_{};
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace corbel::limits
