#include "app/shared_state.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <utility>

#include "cache/store_tier.h"
#include "limits/memory_limiter.h"
#include "redis/cache_tier.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::app {
namespace {

using Figures = native::HealthCheck::Figures;

redis::Options redisOptions(config::RedisTarget target, const std::string& caFile,
                            const resilience::DependencyParts& parts) {
  return {.host = std::move(target.host),
          .port = target.port,
          .username = std::move(target.username),
          .password = std::move(target.password),
          .database = target.database,
          .tls = target.tls,
          .caFile = caFile,
          .guard = &parts};
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

SharedState::SharedState(const config::Settings& settings,
                         const resilience::DependencyParts& parts) {
  connectRedis(settings, parts);
  if (limiter_ == nullptr)
    limiter_ = std::make_unique<limits::MemoryLimiter>(parts.clock, parts.random);
  openCache(settings, parts.clock);
}

void SharedState::connectRedis(const config::Settings& settings,
                               const resilience::DependencyParts& parts) {
  const Clock& clock = parts.clock;
  auto target = config::redisTarget(settings);
  if (!target) return;
  redis_ = std::make_unique<redis::Client>(
      redisOptions(*std::move(target), settings.redis.caFile, parts), clock, parts.random);
  buckets_ = std::make_unique<redis::LimitBuckets>(*redis_);
  auto shared = std::make_unique<limits::SharedLimiter>(
      *buckets_, clock, parts.random,
      limits::SharedLimiterOptions{.replicas = settings.limits.replicas});
  shared_ = shared.get();
  limiter_ = std::move(shared);
  checks_.push_back(
      {"redis",
       [this, &clock](Deadline deadline) { return askRedis(*redis_, *shared_, clock, deadline); },
       [this] { return redis_->dependency()->snapshot(); }});
}

void SharedState::openCache(const config::Settings& settings, const Clock& clock) {
  const std::string& wanted = settings.cache.tier;
  if (wanted == "redis" || (wanted == "auto" && redis_)) {
    tier_ = std::make_unique<redis::CacheTier>(*redis_, clock);
  } else if (wanted != "none" && settings.cache.disk.count > 0) {
    auto file = cache::openStoreTier(std::filesystem::path(settings.data.folder) / "cache",
                                     static_cast<std::int64_t>(settings.cache.disk.count), clock);
    if (file) {
      tier_ = *std::move(file);
    } else {
      log::warn("app", "the file of the cache cannot be used; values are kept in memory alone",
                {{"detail", file.error().message}});
    }
  }
  cache_ = std::make_unique<cache::Cache>(
      cache::Options{.maxBytes = static_cast<std::size_t>(settings.cache.memory.count),
                     .staleFor = settings.predictionCache.stale},
      tier_.get(), clock);
}

void SharedState::observe(metrics::Metrics& metrics,
                          std::vector<metrics::Observation>& observations) {
  observations.push_back(metrics.observe(
      metrics::kCacheHitRatio, std::array<std::string_view, 1>{"predictions"}, [this] {
        const auto stats = cache_->stats();
        const auto all = stats.hits + stats.misses;
        return all == 0 ? 0.0 : static_cast<double>(stats.hits) / static_cast<double>(all);
      }));
  const auto add = [&](const auto& spec, auto value) {
    observations.push_back(
        metrics.observe(spec, std::array<std::string_view, 0>(), std::move(value)));
  };
  add(metrics::kCacheBytes, [this] { return static_cast<double>(cache_->stats().bytes); });
  add(metrics::kCacheStale, [this] { return static_cast<double>(cache_->stats().stale); });
  // Without Redis there is nothing to lose: zeros, so that alerts and dashboards find their names.
  add(metrics::kLimiterDegraded,
      [this] { return shared_ != nullptr && shared_->stats().degraded ? 1.0 : 0.0; });
  add(metrics::kLimiterLocal,
      [this] { return shared_ ? static_cast<double>(shared_->stats().local) : 0.0; });
  add(metrics::kRedisConnections,
      [this] { return redis_ ? static_cast<double>(redis_->status().connections) : 0.0; });
  add(metrics::kRedisLosses,
      [this] { return redis_ ? static_cast<double>(redis_->losses()) : 0.0; });
}

}  // namespace corbel::app
