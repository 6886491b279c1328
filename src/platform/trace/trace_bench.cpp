// What tracing costs the thread that does the work: when nobody records, and when somebody does.
// Prints nanoseconds per operation, median of nine rounds.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>

#include "base/trace.h"
#include "trace/exporter.h"

namespace {

using namespace corbel;
using std::chrono::steady_clock;

double median(int turns, const std::function<void()>& operation) {
  std::array<double, 9> costs{};
  for (double& cost : costs) {
    const auto start = steady_clock::now();
    for (int i = 0; i < turns; ++i) operation();
    const std::chrono::duration<double, std::nano> spent = steady_clock::now() - start;
    cost = spent.count() / turns;
  }
  std::ranges::sort(costs);
  return costs[costs.size() / 2];
}

void query() {
  trace::Span span("query");
  span.set("db.query.text", "SELECT name FROM ml_models WHERE tenant_id = ? AND id = ?");
}

// Five gates, a query, an inference.
void call(trace::Tracer& tracer) {
  const trace::CallTrace call = tracer.begin("");
  const trace::Scope scope(call.position);
  for (int i = 0; i < 7; ++i) query();
}

}  // namespace

int main() {
  const SystemClock clock;
  SystemRandom random;
  metrics::Metrics metrics;
  const auto taken = [](const std::string&, Deadline) -> Result<int> { return 200; };
  std::printf("%-40s %8.1f ns\n", "a span that nobody records", median(1'000'000, query));
  trace::Exporter none({random, clock, metrics}, {.service = {}, .samplingRatio = 0}, taken);
  std::printf("%-40s %8.1f ns\n", "a call of seven spans, not sampled",
              median(1'000'000, [&] { call(none); }));
  trace::Exporter all({random, clock, metrics}, {.service = {}}, taken);
  std::printf("%-40s %8.1f ns\n", "a call of seven spans, sampled",
              median(10'000, [&] { call(all); }));
}
