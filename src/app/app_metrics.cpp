// What the parts keep by themselves, as metrics.
#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "app/app.h"
#include "app/version.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"
#include "telemetry/process.h"

namespace corbel::app {

void App::observeParts() {
  metrics_.of(metrics::kBuildInfo).with(kVersion).set(1);
  std::ranges::move(observeProcess(metrics_, installation_->clock),
                    std::back_inserter(observations_));
  const auto gauge = [this](const auto& spec, const auto& labels, auto value) {
    observations_.push_back(metrics_.observe(spec, labels, std::move(value)));
  };
  using One = std::array<std::string_view, 1>;
  using None = std::array<std::string_view, 0>;
  for (const exec::Pool* pool :
       {apiPool_.get(), cpuPool_.get(), loadPool_.get(), backgroundPool_.get()}) {
    gauge(metrics::kPoolQueued, One{pool->name()},
          [pool] { return static_cast<double>(pool->stats().queued); });
    gauge(metrics::kPoolRefused, One{pool->name()},
          [pool] { return static_cast<double>(pool->stats().refused); });
  }
  gauge(metrics::kConnections, None{},
        [this] { return static_cast<double>(server_->stats().connections); });
  gauge(metrics::kConnectionsRefused, None{},
        [this] { return static_cast<double>(server_->stats().refused); });
  gauge(metrics::kLogDropped, None{}, [] { return static_cast<double>(log::stats().dropped); });
  const auto* database = installation_->database.get();
  gauge(metrics::kStoreUnits, One{"committed"},
        [database] { return static_cast<double>(database->stats().unitsCommitted); });
  gauge(metrics::kStoreUnits, One{"failed"},
        [database] { return static_cast<double>(database->stats().unitsFailed); });
  gauge(metrics::kStoreUnits, One{"refused"},
        [database] { return static_cast<double>(database->stats().unitsRefused); });
  gauge(metrics::kStoreCommits, None{},
        [database] { return static_cast<double>(database->stats().groups); });
  gauge(metrics::kStoreReads, None{},
        [database] { return static_cast<double>(database->stats().reads); });
  gauge(metrics::kStoreReadWait, None{},
        [database] { return static_cast<double>(database->stats().readWaitUs) / 1e6; });
  gauge(metrics::kStoreQueued, None{},
        [database] { return static_cast<double>(database->stats().queueDepth); });
  shared_->observe(metrics_, observations_);
  gauge(metrics::kCacheHitRatio, One{"predictions"}, [cache = predictionCache_.get()] {
    const auto stats = cache->stats();
    const auto all = stats.hits + stats.misses;
    return all == 0 ? 0.0 : static_cast<double>(stats.hits) / static_cast<double>(all);
  });
}

}  // namespace corbel::app
