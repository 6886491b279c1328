// Bench "cache": the published workload, keys by Zipf's law with exponent 1 over 10,000, from an
// empty cache with its default bounds; then a million different keys. Memory is what the process
// grew by. usage: cache_bench [LOOKUPS]
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/cache.h"

namespace {

using namespace corbel;

constexpr std::size_t kKeys = 10'000;
constexpr std::size_t kValueBytes = 512;  // about a prediction with its probabilities

double residentMb() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  file >> all >> resident;
  return static_cast<double>(resident) * 4096 / (1024 * 1024);
}

// Which key is asked for, by the inverse of the law's distribution.
class Zipf {
 public:
  Zipf() {
    double sum = 0;
    for (std::size_t i = 0; i < kKeys; ++i) {
      sum += 1.0 / static_cast<double>(i + 1);
      upTo_.push_back(sum);
    }
  }
  std::size_t next(std::mt19937_64& dice) const {
    const double at = std::uniform_real_distribution<double>(0, upTo_.back())(dice);
    return static_cast<std::size_t>(std::ranges::lower_bound(upTo_, at) - upTo_.begin());
  }

 private:
  std::vector<double> upTo_;
};

}  // namespace

int main(int count, char** arguments) {
  const int lookups = count > 1 ? std::atoi(arguments[1]) : 200'000;
  const SystemClock clock;
  const Zipf zipf;
  std::mt19937_64 dice(1);
  cache::Cache cache({}, nullptr, clock);
  const double before = residentMb();
  const auto begin = clock.steady();
  for (int i = 0; i < lookups; ++i) {
    const std::string name = std::to_string(zipf.next(dice));
    const auto found =
        cache.findOrMake({"acme", "predictions", name}, cache::kDefaultTtl, Deadline::never(),
                         [] { return Result<std::string>(std::string(kValueBytes, 'x')); });
    if (!found) return 1;
  }
  const std::chrono::duration<double, std::micro> took = clock.steady() - begin;
  const auto stats = cache.stats();
  const double ratio = static_cast<double>(stats.hits) / static_cast<double>(lookups);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto size = std::uniform_int_distribution<std::size_t>(16, 2 * kValueBytes)(dice);
    cache.put({"acme", "predictions", "many-" + std::to_string(i)}, std::string(size, 'x'));
  }
  const double grown = residentMb() - before;
  const auto full = cache.stats();
  fmt::print("{:8} {:>10} {:>10} {:>12} {:>14}\n", "case", "hit ratio", "rss MB", "us a lookup",
             "bytes counted");
  fmt::print("{:8} {:>10.4f} {:>10.1f} {:>12.2f} {:>14}\n", "zipf", ratio, grown,
             took.count() / lookups, full.bytes);
  std::ofstream("build/bench/cache.json")
      << fmt::format(
             R"({{"name": "cache", "machine": "{} cores", "rows": [{{"case": "zipf", "metric": "hit_ratio", "unit": "share", "value": {:.4f}}}, {{"case": "zipf", "metric": "rss_mb", "unit": "MB", "value": {:.1f}}}]}})",
             std::thread::hardware_concurrency(), ratio, grown)
      << '\n';
  return full.bytes <= cache::Options().maxBytes ? 0 : 1;
}
