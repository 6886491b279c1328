// What several processes share through Redis, or this one has for itself.
#pragma once
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "config/settings.h"
#include "limits/rate_limiter.h"
#include "limits/shared_limiter.h"
#include "native/health_api.h"
#include "redis/limit_buckets.h"
#include "redis/redis.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class SharedState {
 public:
  // A Redis server that is away is no error. `clock` and `random` must outlive it.
  SharedState(const config::Settings& settings, const Clock& clock, Random& random);

  limits::RateLimiter& limiter() { return *limiter_; }
  // Empty without Redis.
  const std::vector<native::HealthCheck>& healthChecks() const { return checks_; }
  // As long as this lives.
  void observe(metrics::Metrics& metrics, std::vector<metrics::Observation>& observations);

 private:
  std::unique_ptr<redis::Client> redis_;  // null: none is set up
  std::unique_ptr<redis::LimitBuckets> buckets_;
  std::unique_ptr<limits::RateLimiter> limiter_;
  limits::SharedLimiter* shared_ = nullptr;  // limiter_, where it is one
  std::vector<native::HealthCheck> checks_;
};

}  // namespace corbel::app
