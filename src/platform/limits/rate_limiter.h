// How often somebody may do something, as data, and who decides it.
//
// Up to 1,000 units in a window are counted by a sliding log: the times of what was admitted are
// kept, so that no window, wherever it begins, ever holds more than the quota. Above that a counter
// of constant size is used (GCRA, ITU-T I.371 with a burst of the whole quota): at most the quota
// at once and the quota per window on average, so up to twice the quota in a window that begins
// with silence.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace corbel::limits {

inline constexpr std::uint32_t kExactUpTo = 1'000;
inline constexpr std::size_t kChargesMax = 4;

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

// What a request wants of one bucket. A batch pays 1 by request and its rows by the row quota: two
// charges.
struct Charge {
  BucketKey key;
  Quota quota;
  std::uint32_t cost = 1;  // units; 0 only looks
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

// Thread-safe.
class RateLimiter {
 public:
  virtual ~RateLimiter() = default;

  // Takes all charges of a request together or none: 1 to kChargesMax, each of another bucket. The
  // decision is the first charge's when they were taken, else that of a charge that did not fit.
  // Nothing: it cannot be decided without waiting, and nothing was taken.
  virtual std::optional<Decision> tryAdmit(std::span<const Charge> charges) = 0;
  // The same, and may wait for some milliseconds. There is always a decision.
  virtual Decision admit(std::span<const Charge> charges) = 0;
};

// Header field values of draft-ietf-httpapi-ratelimit-headers (structured fields):
// RateLimit-Policy: "infer";q=10;w=60
std::string rateLimitPolicyField(const Decision& decision);
// RateLimit: "infer";r=3;t=24
std::string rateLimitField(const Decision& decision);
// Retry-After: seconds; of refused requests that may fit later.
std::string retryAfterField(const Decision& decision);

}  // namespace corbel::limits
