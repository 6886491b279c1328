// What logging and counting cost the thread that does it. Prints nanoseconds per operation, best of
// five rounds.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "telemetry/log.h"
#include "telemetry/metric_table.h"
#include "telemetry/metrics.h"

namespace {

using namespace corbel;
using std::chrono::steady_clock;

double median(int rounds, int turns, const std::function<void()>& operation) {
  std::vector<double> costs;
  for (int round = 0; round < rounds; ++round) {
    const auto start = steady_clock::now();
    for (int i = 0; i < turns; ++i) operation();
    const std::chrono::duration<double, std::nano> spent = steady_clock::now() - start;
    costs.push_back(spent.count() / turns);
    log::flush();
  }
  std::ranges::nth_element(costs, costs.begin() + rounds / 2);
  return costs[rounds / 2];
}

void print(std::string_view name, double nanoseconds) {
  fmt::print("{:<40} {:>8.1f} ns\n", name, nanoseconds);
}

void accessLine() {
  log::info("http", "request",
            {{"correlation_id", "0190f2c1-7e1c-7b3a-9d52-3c5e8f0a1b2c"},
             {"tenant", "default"},
             {"method", "POST"},
             {"route", "/api/v1/ai/models/{model}/predict"},
             {"status", 200},
             {"bytes", 312},
             {"principal", "key:crb_7f3a"},
             {"remote", "127.0.0.1"},
             {"duration_ms", std::chrono::microseconds(47)}});
}

void benchLog(const SystemClock& clock) {
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const log::Sink sink({.descriptor = null, .bufferBytes = 64 << 20}, clock);
  // 800 lines are what 40,000 a second leave between two writes.
  print("access line", median(200, 800, accessLine));
  print("line below the level", median(9, 1'000'000, [] { log::debug("http", "x"); }));
  fmt::print("dropped: {}\n", sink.stats().dropped);
}

void benchMetrics() {
  metrics::Metrics metrics;
  metrics::Counter& counter =
      metrics.of(metrics::kRequests).with("POST", "200", "/predict", "default");
  metrics::Histogram& histogram = metrics.of(metrics::kInferenceDuration).with("default", "cancer");
  const auto requests = metrics.of(metrics::kRequests);
  print("counter", median(9, 1'000'000, [&] { counter.add(); }));
  print("histogram",
        median(9, 1'000'000, [&] { histogram.observe(std::chrono::microseconds(47)); }));
  print("finding a label set of four",
        median(9, 1'000'000, [&] { requests.with("POST", "200", "/predict", "default"); }));
  const std::jthread rival([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) counter.add();
  });
  print("counter beside another thread", median(9, 1'000'000, [&] { counter.add(); }));
}

}  // namespace

int main() {
  const SystemClock clock;
  benchLog(clock);
  benchMetrics();
}
