// One caller's use of one quota.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "limits/rate_limiter.h"
#include "sliding_log.h"

namespace corbel::limits {

// For one thread at a time.
class Bucket {
 public:
  Bucket(std::string_view key, std::uint64_t hash) : key_(key), hash_(hash) {}

  // bytes() of a new bucket.
  static std::size_t bytesFor(std::string_view key) {
    return sizeof(Bucket) + std::max(key.size(), std::string().capacity());
  }

  const std::string& key() const { return key_; }
  std::uint64_t hash() const { return hash_; }
  std::size_t bytes() const { return bytes_; }
  // Forgetting it now changes no later decision.
  bool isIdle(std::int64_t now) const { return idleFrom_ <= now; }

  // `room` is how many bytes it may grow by.
  Decision admit(std::int64_t now, const Quota& quota, std::uint32_t cost, std::size_t room);
  // Undoes the last admit(), which took `cost`.
  void takeBack(const Quota& quota, std::uint32_t cost);

 private:
  Decision admitByLog(std::int64_t now, const Quota& quota, std::uint32_t cost, std::size_t room);
  Decision admitByCounter(std::int64_t now, const Quota& quota, std::uint32_t cost);
  // false: there is no room for the log.
  bool becomeLog(std::int64_t now, const Quota& quota, std::size_t room);
  void becomeCounter(std::int64_t now, const Quota& quota);

  std::string key_;
  std::uint64_t hash_;
  SlidingLog log_;
  std::int64_t fullFrom_ =
      0;  // counter: when the whole quota is available again (GCRA's theoretical arrival time)
  std::int64_t idleFrom_ = 0;
  std::size_t bytes_ = sizeof(Bucket) + key_.capacity();
  bool counts_ = false;
};

}  // namespace corbel::limits
