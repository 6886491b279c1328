// What several processes share through Redis, or this one has for itself: limits and the cache.
#pragma once
#include <memory>
#include <vector>

#include "base/clock.h"
#include "cache/cache.h"
#include "config/settings.h"
#include "limits/rate_limiter.h"
#include "limits/shared_limiter.h"
#include "native/health_api.h"
#include "redis/limit_buckets.h"
#include "redis/redis.h"
#include "resilience/dependency.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class SharedState {
 public:
  // A Redis server that is away is no error, and neither is a file of the cache that cannot be
  // used. `parts` must outlive it.
  SharedState(const config::Settings& settings, const resilience::DependencyParts& parts);

  limits::RateLimiter& limiter() { return *limiter_; }
  cache::Cache& cache() { return *cache_; }
  // Empty without Redis.
  const std::vector<native::HealthCheck>& healthChecks() const { return checks_; }
  // As long as this lives.
  void observe(metrics::Metrics& metrics, std::vector<metrics::Observation>& observations);

 private:
  void connectRedis(const config::Settings& settings, const resilience::DependencyParts& parts);
  void openCache(const config::Settings& settings, const Clock& clock);

  std::unique_ptr<redis::Client> redis_;  // null: none is set up
  std::unique_ptr<redis::LimitBuckets> buckets_;
  std::unique_ptr<limits::RateLimiter> limiter_;
  limits::SharedLimiter* shared_ = nullptr;  // limiter_, where it is one
  std::unique_ptr<cache::Tier> tier_;        // null: memory alone
  std::unique_ptr<cache::Cache> cache_;
  std::vector<native::HealthCheck> checks_;
};

}  // namespace corbel::app
