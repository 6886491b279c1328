// One metric with all its label sets.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "telemetry/metrics.h"

namespace corbel::metrics {

// Thread-safe. Finding a label set that exists takes no lock: tables only grow, and old ones are
// kept until the end (together they are not larger than the newest).
class Family {
 public:
  explicit Family(const Metrics::Declaration& declaration);

  const std::string& name() const { return name_; }
  bool isDeclaredAs(const Metrics::Declaration& declaration) const;

  template <class Metric>
  Metric& metric(std::span<const std::string_view> values) {
    return std::get<Metric>(child(values).metric);
  }

  std::uint64_t addCallback(std::span<const std::string_view> values,
                            std::function<double()> value);
  void removeCallback(std::uint64_t id);

  void expose(std::string& out) const;

 private:
  using AnyMetric = std::variant<Counter, Gauge, Histogram>;
  struct Child {
    Child(std::span<const std::string_view> all, std::size_t allHash, std::string text,
          auto&&... metricArguments)
        : values(all.begin(), all.end()),
          hash(allHash),
          labels(std::move(text)),
          metric(metricArguments...) {}
    std::vector<std::string> values;
    std::size_t hash;
    std::string labels;  // as exposed, without braces
    AnyMetric metric;
  };
  struct Table {
    explicit Table(std::size_t count) : slots(count) {}
    std::vector<std::atomic<Child*>> slots;  // a power of two; never more than half full
  };
  struct Callback {
    std::uint64_t id;
    std::string labels;
    std::function<double()> value;
  };

  Child& child(std::span<const std::string_view> values);
  static Child* find(const Table& table, std::size_t hash,
                     std::span<const std::string_view> values);
  static void insert(Table& table, Child* child);
  Child& add(std::span<const std::string_view> values);
  Child& addNew(std::span<const std::string_view> values) CORBEL_REQUIRES(mutex_);
  std::string labelsText(std::span<const std::string_view> values) const;
  void exposeHistogram(std::string& out, const std::string& labels,
                       const Histogram& histogram) const;

  const std::string name_;
  const std::string help_;
  const std::vector<std::string> labelNames_;
  const Kind kind_;
  const Unit unit_;
  const Bounds bounds_;
  mutable Mutex mutex_;
  std::atomic<Table*> table_;
  std::vector<std::unique_ptr<Table>> tables_ CORBEL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Child>> children_ CORBEL_GUARDED_BY(mutex_);
  std::vector<Callback> callbacks_ CORBEL_GUARDED_BY(mutex_);
  std::uint64_t lastCallback_ CORBEL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corbel::metrics
