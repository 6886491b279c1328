// Numbers for Prometheus: counters, gauges and histograms of durations.
//
// A metric is declared in one line, most of them in metric_table.h:
//   inline constexpr CounterSpec kPredictions{"ai_service_model_predictions_total", "Predictions
//   made.", "status", "model"};
// and used where it happens:
//   Counter& made = metrics.of(kPredictions).with("ok", "cancer");  // once: keep the reference
//   made.add();                                                       // wait-free
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace corbel::metrics {

// Label sets of one family that are told apart. Beyond, the last label becomes "other" (put the one
// that users choose last), and when that does not help every label. Values are cut at kLabelBytes.
inline constexpr std::size_t kLabelSets = 1024;
inline constexpr std::size_t kLabelBytes = 128;
inline constexpr std::size_t kBuckets = 16;

enum class Kind : std::uint8_t { counter, gauge, histogram };
enum class Unit : std::uint8_t { milliseconds, seconds };
using Bounds =
    std::array<double, kBuckets>;  // ascending, in the unit; infinity where fewer are wanted

// What stands in the one line of a metric: name, help, names of labels. Literals.
template <Kind kind, std::size_t Labels>
struct Spec {
  std::string_view name;
  std::string_view help;
  std::array<std::string_view, Labels> labels;
};

template <std::size_t Labels>
struct CounterSpec : Spec<Kind::counter, Labels> {
  consteval CounterSpec(const char* name, const char* help,
                        std::convertible_to<std::string_view> auto... labels)
      : Spec<Kind::counter, Labels>{name, help, {labels...}} {}
};
template <class... L>
CounterSpec(const char*, const char*, L...) -> CounterSpec<sizeof...(L)>;

template <std::size_t Labels>
struct GaugeSpec : Spec<Kind::gauge, Labels> {
  consteval GaugeSpec(const char* name, const char* help,
                      std::convertible_to<std::string_view> auto... labels)
      : Spec<Kind::gauge, Labels>{name, help, {labels...}} {}
};
template <class... L>
GaugeSpec(const char*, const char*, L...) -> GaugeSpec<sizeof...(L)>;

template <std::size_t Labels>
struct HistogramSpec : Spec<Kind::histogram, Labels> {
  consteval HistogramSpec(const char* name, Unit durations, const Bounds& buckets, const char* help,
                          std::convertible_to<std::string_view> auto... labels)
      : Spec<Kind::histogram, Labels>{name, help, {labels...}}, unit(durations), bounds(buckets) {}
  Unit unit;
  Bounds bounds;
};
template <class... L>
HistogramSpec(const char*, Unit, const Bounds&, const char*, L...) -> HistogramSpec<sizeof...(L)>;

// Threads write to different cache lines.
inline constexpr std::size_t kShards = 4;
std::size_t ownShard();

class Counter {
 public:
  // Wait-free.
  void add(std::uint64_t count = 1) {
    shards_[ownShard()].count.fetch_add(count, std::memory_order_relaxed);
  }
  std::uint64_t value() const;

 private:
  struct alignas(64) Shard {
    std::atomic<std::uint64_t> count = 0;
  };
  std::array<Shard, kShards> shards_;
};

class Gauge {
 public:
  // Wait-free.
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

class Histogram {
 public:
  Histogram(Unit unit, const Bounds& bounds);
  // Wait-free.
  void observe(std::chrono::nanoseconds duration) {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
    std::size_t bucket = 0;
    for (const std::uint64_t bound : boundsNs_) bucket += ns > bound ? 1 : 0;
    Shard& shard = shards_[ownShard()];
    shard.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
    shard.sumNs.fetch_add(ns, std::memory_order_relaxed);
  }

  struct Snapshot {
    std::array<std::uint64_t, kBuckets + 1>
        buckets{};  // not cumulative; the last is above all bounds
    std::uint64_t sumNs = 0;
  };
  Snapshot snapshot() const;

 private:
  struct alignas(64) Shard {
    std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets{};
    std::atomic<std::uint64_t> sumNs = 0;
  };
  std::array<std::uint64_t, kBuckets> boundsNs_;
  std::array<Shard, kShards> shards_;
};

class Family;  // the label sets of one metric

// The metric of a label set, made when it is new.
template <class Metric>
Metric& metricOf(Family& family, std::span<const std::string_view> labels);

// Handle to a family; valid, as the references it gives, as long as the Metrics.
template <class Metric, std::size_t Labels>
class Labelled {
 public:
  explicit Labelled(Family& family) : family_(&family) {}
  // One value for each label, in the order of the spec. Lock-free once the label set exists; hot
  // paths keep the reference.
  Metric& with(const std::convertible_to<std::string_view> auto&... values) const {
    static_assert(sizeof...(values) == Labels, "one value for each label");
    const std::array<std::string_view, Labels> labels{values...};
    return metricOf<Metric>(*family_, labels);
  }

 private:
  Family* family_;
};

// Ends a callback of observe(): after its destruction the function is not called any more.
class Observation {
 public:
  Observation() = default;
  explicit Observation(std::move_only_function<void()> end) : end_(std::move(end)) {}
  Observation(Observation&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
  Observation& operator=(Observation&& other) noexcept {
    std::swap(end_, other.end_);
    return *this;
  }
  ~Observation() {
    if (end_) end_();
  }

 private:
  std::move_only_function<void()> end_;
};

// Thread-safe. Using a name again with the same kind and labels gives the same family; with others,
// the program ends.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  template <std::size_t Labels>
  Labelled<Counter, Labels> of(const CounterSpec<Labels>& spec) {
    return Labelled<Counter, Labels>(
        family({spec.name, spec.help, spec.labels, Kind::counter, {}, {}}));
  }
  template <std::size_t Labels>
  Labelled<Gauge, Labels> of(const GaugeSpec<Labels>& spec) {
    return Labelled<Gauge, Labels>(
        family({spec.name, spec.help, spec.labels, Kind::gauge, {}, {}}));
  }
  template <std::size_t Labels>
  Labelled<Histogram, Labels> of(const HistogramSpec<Labels>& spec) {
    return Labelled<Histogram, Labels>(
        family({spec.name, spec.help, spec.labels, Kind::histogram, spec.unit, spec.bounds}));
  }

  // Asks `value` at every scrape, for numbers that something else already keeps. It must not block
  // nor use this object; the Metrics must outlive the Observation. `labels` are one value for each
  // label of the spec.
  template <Kind kind, std::size_t Labels>
    requires(kind != Kind::histogram)
  [[nodiscard]] Observation observe(const Spec<kind, Labels>& spec,
                                    const std::array<std::string_view, Labels>& labels,
                                    std::function<double()> value) {
    return observe(family({spec.name, spec.help, spec.labels, kind, {}, {}}), labels,
                   std::move(value));
  }

  // Everything, in the Prometheus text format 0.0.4 (content type kContentType).
  std::string expose() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  struct Declaration {
    std::string_view name;
    std::string_view help;
    std::span<const std::string_view> labels;
    Kind kind;
    Unit unit;
    Bounds bounds;
  };

 private:
  Family& family(const Declaration& declaration);
  Observation observe(Family& family, std::span<const std::string_view> labels,
                      std::function<double()> value);

  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Family>> families_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::metrics
