// How often somebody may do something: exactly, in memory, for one process.
//
// Up to 1,000 units in a window are counted by a sliding log: the times of what was admitted are
// kept, so that no window, wherever it begins, ever holds more than the quota. Above that a counter
// of constant size is used (GCRA, ITU-T I.371 with a burst of the whole quota): at most the quota
// at once and the quota per window on average, so up to twice the quota in a window that begins
// with silence.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"

namespace corbel::limits {

inline constexpr std::uint32_t kExactUpTo = 1'000;

struct Quota {
  std::string_view
      policy;  // lower-case letters and '-', static text: "infer". A part of the bucket's key
  std::uint32_t limit = 0;  // units a window; 0 admits nothing
  std::chrono::seconds window{60};
};

// Whose bucket. What a client can choose freely (headers, spelling of an id) must not be in it.
struct BucketKey {
  std::string_view tenant;
  std::string_view principal;
};

// What became of a request, and all that the RateLimit header fields need.
struct Decision {
  bool allowed = true;
  std::string_view policy;
  std::uint32_t limit = 0;
  std::uint32_t remaining = 0;
  std::chrono::seconds window{60};
  // Log: until the oldest counted unit comes back. Counter: until the quota is whole again. Rounded
  // up.
  std::chrono::seconds reset{0};
  // When refused: after this time the same request fits if nobody else takes from the bucket; at
  // least 1. Rounded up. 0: it asks for more than the whole quota and never fits.
  std::chrono::seconds retryAfter{0};
};

struct RateLimiterOptions {
  std::size_t maxBytes = std::size_t{64} * 1024 * 1024;
  std::size_t shards = 64;  // locks; a bucket lives in one
};

// Thread-safe; never waits for anything but another thread's admit() in the same shard.
//
// Memory is bounded by options.maxBytes. Only buckets that are idle (nothing in their window) are
// given up, so forgetting one never admits anything that remembering it would refuse. Where memory
// is full of buckets in use, requests that need a new or larger bucket are refused until one
// becomes idle.
class RateLimiter {
 public:
  // `clock` must outlive it; `random` seeds the hash, so that nobody can choose ids that meet in
  // one slot.
  RateLimiter(const Clock& clock, Random& random, RateLimiterOptions options = {});
  ~RateLimiter();

  // Takes `cost` units at once or none; 0 only looks. A batch pays 1 by request and its rows by the
  // row quota: two calls.
  Decision admit(const BucketKey& key, const Quota& quota, std::uint32_t cost = 1);

  // Now in use, all shards.
  std::size_t buckets() const;
  std::size_t bytes() const;

 private:
  struct Shard;
  const Clock& clock_;
  std::array<std::uint64_t, 2> seed_{};
  std::vector<std::unique_ptr<Shard>> shards_;
};

// Header field values of draft-ietf-httpapi-ratelimit-headers (structured fields):
// RateLimit-Policy: "infer";q=10;w=60
std::string rateLimitPolicyField(const Decision& decision);
// RateLimit: "infer";r=3;t=24
std::string rateLimitField(const Decision& decision);
// Retry-After: seconds; of refused requests that may fit later.
std::string retryAfterField(const Decision& decision);

}  // namespace corbel::limits
