#include "app/shared_state.h"

#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "limits/memory_limiter.h"
#include "telemetry/metric_table.h"

namespace corbel::app {
namespace {

using Figures = native::HealthCheck::Figures;

redis::Options redisOptions(config::RedisTarget target, const std::string& caFile) {
  return {.host = std::move(target.host),
          .port = target.port,
          .username = std::move(target.username),
          .password = std::move(target.password),
          .database = target.database,
          .tls = target.tls,
          .caFile = caFile};
}

Result<Figures> askRedis(redis::Client& client, const limits::SharedLimiter& limiter,
                         const Clock& clock, Deadline deadline) {
  const SteadyTime begin = clock.steady();
  CORBEL_CHECK(client.command({"PING"}, deadline));
  const std::chrono::duration<double, std::milli> took = clock.steady() - begin;
  if (const auto stats = limiter.stats(); stats.degraded) {
    return fail(ErrorCode::unavailable, "Each process counts limits by itself. " + stats.reason);
  }
  const auto status = client.status();
  return Figures{{"latencyMs", took.count()},
                 {"connections", static_cast<double>(status.connections)},
                 {"losses", static_cast<double>(status.losses)}};
}

}  // namespace

SharedState::SharedState(const config::Settings& settings, const Clock& clock, Random& random) {
  auto target = config::redisTarget(settings);
  if (!target) {
    limiter_ = std::make_unique<limits::MemoryLimiter>(clock, random);
    return;
  }
  redis_ = std::make_unique<redis::Client>(redisOptions(*std::move(target), settings.redis.caFile),
                                           clock, random);
  buckets_ = std::make_unique<redis::LimitBuckets>(*redis_);
  auto shared = std::make_unique<limits::SharedLimiter>(
      *buckets_, clock, random, limits::SharedLimiterOptions{.replicas = settings.limits.replicas});
  shared_ = shared.get();
  limiter_ = std::move(shared);
  checks_.push_back({"redis", [this, &clock](Deadline deadline) {
                       return askRedis(*redis_, *shared_, clock, deadline);
                     }});
}

void SharedState::observe(metrics::Metrics& metrics,
                          std::vector<metrics::Observation>& observations) {
  if (shared_ == nullptr) return;
  const auto add = [&](const auto& spec, auto value) {
    observations.push_back(
        metrics.observe(spec, std::array<std::string_view, 0>(), std::move(value)));
  };
  add(metrics::kLimiterDegraded, [this] { return shared_->stats().degraded ? 1.0 : 0.0; });
  add(metrics::kLimiterLocal, [this] { return static_cast<double>(shared_->stats().local); });
  add(metrics::kRedisConnections,
      [this] { return static_cast<double>(redis_->status().connections); });
  add(metrics::kRedisLosses, [this] { return static_cast<double>(redis_->losses()); });
}

}  // namespace corbel::app
