#include "telemetry/metrics.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "family.h"

namespace corbel::metrics {

std::size_t ownShard() {
  static std::atomic<std::size_t> threads = 0;
  thread_local const std::size_t own = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
  return own;
}

std::uint64_t Counter::value() const {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards_) sum += shard.count.load(std::memory_order_relaxed);
  return sum;
}

Histogram::Histogram(Unit unit, const Bounds& bounds) {
  const double factor = unit == Unit::milliseconds ? 1e6 : 1e9;
  std::ranges::transform(bounds, boundsNs_.begin(), [&](double bound) {
    return std::isinf(bound) ? std::numeric_limits<std::uint64_t>::max()
                             : static_cast<std::uint64_t>(bound * factor);
  });
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot;
  for (const Shard& shard : shards_) {
    for (std::size_t i = 0; i < shard.buckets.size(); ++i) {
      snapshot.buckets[i] += shard.buckets[i].load(std::memory_order_relaxed);
    }
    snapshot.sumNs += shard.sumNs.load(std::memory_order_relaxed);
  }
  return snapshot;
}

template <>
Counter& metricOf<Counter>(Family& family, std::span<const std::string_view> labels) {
  return family.metric<Counter>(labels);
}
template <>
Gauge& metricOf<Gauge>(Family& family, std::span<const std::string_view> labels) {
  return family.metric<Gauge>(labels);
}
template <>
Histogram& metricOf<Histogram>(Family& family, std::span<const std::string_view> labels) {
  return family.metric<Histogram>(labels);
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Family& Metrics::family(const Declaration& declaration) {
  const MutexLock lock(mutex_);
  const auto at = std::ranges::lower_bound(families_, declaration.name, {}, &Family::name);
  if (at == families_.end() || (*at)->name() != declaration.name) {
    return **families_.insert(at, std::make_unique<Family>(declaration));
  }
  if (!(*at)->isDeclaredAs(declaration)) {
    std::fprintf(stderr, "metric %s is declared twice, differently\n", (*at)->name().c_str());
    std::abort();
  }
  return **at;
}

Observation Metrics::observe(Family& family, std::span<const std::string_view> labels,
                             std::function<double()> value) {
  const std::uint64_t id = family.addCallback(labels, std::move(value));
  return Observation([&family, id] { family.removeCallback(id); });
}

std::string Metrics::expose() const {
  std::vector<const Family*> families;
  {
    const MutexLock lock(mutex_);
    for (const auto& family : families_) families.push_back(family.get());
  }
  std::string out;
  for (const Family* family : families) family->expose(out);
  return out;
}

}  // namespace corbel::metrics
