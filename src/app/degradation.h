// What this process does when a part of it, or its memory, gives out.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/outbound.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/result.h"
#include "cache/cache.h"
#include "config/settings.h"
#include "exec/periodic.h"
#include "exec/pool.h"
#include "exec/timer.h"
#include "models/prediction_cache.h"
#include "models/registry.h"
#include "models/serving.h"
#include "native/prediction_fallback.h"
#include "native/predictions_api.h"
#include "net/post.h"
#include "resilience/dependency.h"
#include "resilience/memory_guard.h"
#include "telemetry/metrics.h"

namespace corbel::app {

// The product's endpoints that answer in place of models: the operator's at any address, owners'
// where webhooks may go, each with a breaker of its own. Thread-safe.
class FallbackEndpoints {
 public:
  FallbackEndpoints(std::string operatorUrl, net::DestinationPolicy ownersPolicy,
                    Outbound& outbound);
  // The body of an answer with 200. `url` empty: the operator's.
  Result<std::string> ask(const std::string& url, const std::string& body, Deadline deadline);
  bool hasOperators() const { return operators_ != nullptr; }

 private:
  std::shared_ptr<resilience::Dependency> ownersAt(const std::string& url);

  const std::string operatorUrl_;
  const net::DestinationPolicy ownersPolicy_;
  const resilience::DependencyParts parts_;
  resilience::Dependency* operators_ = nullptr;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<resilience::Dependency>> owners_ CORBEL_GUARDED_BY(mutex_);
};

// What predictions fall back on, with its threads.
class Degradation {
 public:
  // All must outlive it.
  struct Parts {
    models::Registry& registry;
    models::Serving& serving;
    models::PredictionCache& cache;
    metrics::Metrics& metrics;
    IdSource& ids;
    const Clock& clock;
    Outbound& outbound;
    exec::Pool& pool;
    exec::Pool& loads;
  };
  Degradation(const config::Settings& settings, const Parts& parts);

  native::PredictionsApi::Parts::Fallbacks* fallbacks() { return &fallbacks_; }
  // Before the parts that its work uses are stopped.
  void stop() { timer_.stop(); }

 private:
  FallbackEndpoints endpoints_;
  native::PredictionFallback fallback_;
  exec::Timer timer_;
  native::PredictionsApi::Parts::Fallbacks fallbacks_;
};

// Looks at the memory every 250 ms and makes caches give back what they hold.
class MemoryWatch {
 public:
  // All must outlive it.
  struct Parts {
    resilience::MemoryGuard& guard;
    models::Serving& serving;
    cache::Cache& cache;
  };
  MemoryWatch(std::uint64_t limitBytes, const Parts& parts);

 private:
  void look();

  const std::uint64_t limitBytes_;
  const Parts parts_;
  exec::Periodic periodic_;
};

}  // namespace corbel::app
