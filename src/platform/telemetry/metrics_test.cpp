#include "telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <regex>
#include <sstream>
#include <thread>

#include "telemetry/metric_table.h"
#include "telemetry/process.h"

namespace corbel::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr CounterSpec kTestCounter{"test_total", "Tests.", "a", "b"};
constexpr CounterSpec kPlain{"plain_total", "Plain."};
constexpr GaugeSpec kGauge{"test_gauge", "A gauge.", "a"};
constexpr HistogramSpec kHistogram{"test_ms", Unit::milliseconds, kDurationMs, "Durations.", "a"};

std::size_t linesWith(const std::string& text, std::string_view part) {
  std::istringstream lines(text);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.contains(part) ? 1 : 0;
  return count;
}

TEST(Metrics, ExposeCountersAndGauges) {
  Metrics metrics;
  metrics.of(kTestCounter).with("x", "y").add(3);
  metrics.of(kPlain).with().add();
  metrics.of(kGauge).with("z").set(1.5);
  EXPECT_EQ(metrics.expose(),
            "# HELP plain_total Plain.\n# TYPE plain_total counter\nplain_total 1\n"
            "# HELP test_gauge A gauge.\n# TYPE test_gauge gauge\ntest_gauge{a=\"z\"} 1.5\n"
            "# HELP test_total Tests.\n# TYPE test_total counter\ntest_total{a=\"x\",b=\"y\"} 3\n");
}

TEST(Metrics, ExposeHistogramsCumulativelyInTheirUnit) {
  Metrics metrics;
  Histogram& histogram = metrics.of(kHistogram).with("x");
  histogram.observe(std::chrono::milliseconds(1));  // a bound belongs to its bucket
  histogram.observe(std::chrono::microseconds(1500));
  histogram.observe(std::chrono::hours(1));
  histogram.observe(std::chrono::nanoseconds(-5));
  const std::string text = metrics.expose();
  EXPECT_THAT(text, HasSubstr("test_ms_bucket{a=\"x\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("test_ms_bucket{a=\"x\",le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("test_ms_bucket{a=\"x\",le=\"2.5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("test_ms_bucket{a=\"x\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("test_ms_sum{a=\"x\"} 3600002.5\n"));
  EXPECT_THAT(text, HasSubstr("test_ms_count{a=\"x\"} 4\n"));
}

TEST(Metrics, GiveTheSameCounterForTheSameLabels) {
  Metrics metrics;
  EXPECT_EQ(&metrics.of(kTestCounter).with("x", "y"),
            &metrics.of(kTestCounter).with(std::string("x"), "y"));
  EXPECT_NE(&metrics.of(kTestCounter).with("x", "y"), &metrics.of(kTestCounter).with("xy", ""));
}

TEST(Metrics, EscapeLabelValues) {
  Metrics metrics;
  metrics.of(kGauge).with("a\"b\\c\nd\r\x1b\xff\u2028ü").set(1);
  EXPECT_THAT(metrics.expose(), HasSubstr("test_gauge{a=\"a\\\"b\\\\c\\nd??\uFFFD?ü\"} 1\n"));
}

TEST(Metrics, BoundTheLabelSetsOfAFamily) {
  Metrics metrics;
  for (std::size_t i = 0; i < 3 * kLabelSets; ++i)
    metrics.of(kTestCounter).with("get", std::to_string(i)).add();
  const std::string text = metrics.expose();
  EXPECT_EQ(linesWith(text, "test_total{"), kLabelSets + 1);
  EXPECT_THAT(text,
              HasSubstr("test_total{a=\"get\",b=\"other\"} " + std::to_string(2 * kLabelSets)));
}

TEST(Metrics, BoundTheLabelSetsWhenEveryLabelVaries) {
  Metrics metrics;
  for (std::size_t i = 0; i < 4 * kLabelSets; ++i) {
    metrics.of(kTestCounter).with(std::to_string(i), std::to_string(i)).add();
  }
  const std::string text = metrics.expose();
  EXPECT_EQ(linesWith(text, "test_total{"), 2 * kLabelSets + 1);
  EXPECT_THAT(text,
              HasSubstr("test_total{a=\"other\",b=\"other\"} " + std::to_string(2 * kLabelSets)));
}

TEST(Metrics, CutLongLabelValues) {
  Metrics metrics;
  const std::string name(10'000, 'x');
  metrics.of(kGauge).with(name).set(1);
  EXPECT_LT(metrics.expose().size(), kLabelBytes + 200);
  EXPECT_EQ(&metrics.of(kGauge).with(name), &metrics.of(kGauge).with(name));
}

TEST(Metrics, CountExactlyFromManyThreads) {
  Metrics metrics;
  constexpr int kThreads = 8;
  constexpr int kTurns = 2000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kTurns; ++i) {
          metrics.of(kTestCounter).with("x", std::to_string(i % 100)).add();
          metrics.of(kHistogram).with("x").observe(std::chrono::milliseconds(i % 10));
          if (i % 500 == 0) EXPECT_FALSE(metrics.expose().empty());
        }
      });
    }
  }
  std::uint64_t sum = 0;
  for (int i = 0; i < 100; ++i)
    sum += metrics.of(kTestCounter).with("x", std::to_string(i)).value();
  EXPECT_EQ(sum, std::uint64_t{kThreads} * kTurns);
  EXPECT_THAT(metrics.expose(), HasSubstr("test_ms_count{a=\"x\"} 16000\n"));
}

TEST(Metrics, AskCallbacksAtEveryScrapeUntilTheyEnd) {
  Metrics metrics;
  double value = 1;
  {
    const Observation observation = metrics.observe(kGauge, {"pool"}, [&] { return value; });
    EXPECT_THAT(metrics.expose(), HasSubstr("test_gauge{a=\"pool\"} 1\n"));
    value = std::numeric_limits<double>::infinity();
    EXPECT_THAT(metrics.expose(), HasSubstr("test_gauge{a=\"pool\"} +Inf\n"));
  }
  EXPECT_THAT(metrics.expose(), Not(HasSubstr("pool")));
}

TEST(Metrics, OfTheProcessArePlausible) {
  Metrics metrics;
  const SystemClock clock;
  const auto observations = observeProcess(metrics, clock);
  const std::string text = metrics.expose();
  std::smatch found;
  ASSERT_TRUE(std::regex_search(text, found, std::regex("ai_memory_usage_bytes ([0-9.e+]+)\n")));
  EXPECT_GT(std::stod(found[1]), 1e6);
  ASSERT_TRUE(std::regex_search(text, found, std::regex("process_threads ([0-9]+)\n")));
  EXPECT_GE(std::stoi(found[1]), 1);
  ASSERT_TRUE(std::regex_search(text, found, std::regex("process_open_fds ([0-9]+)\n")));
  EXPECT_GE(std::stoi(found[1]), 3);
}

// The grammar of the text format (Prometheus documentation, "Exposition formats").
TEST(Metrics, ExpositionFollowsTheTextFormat) {
  Metrics metrics;
  const SystemClock clock;
  const auto observations = observeProcess(metrics, clock);
  metrics.of(kRequests).with("GET", "200", "/a/{b}", "ten\"ant").add();
  metrics.of(kPoolWait).with("api").observe(std::chrono::microseconds(3));
  const std::regex line(
      R"re((# HELP [a-z_]+ .+)|(# TYPE [a-z_]+ (counter|gauge|histogram))|)re"
      R"re(([a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? ([-+0-9.e]+|\+Inf|NaN)))re");
  std::istringstream lines(metrics.expose());
  for (std::string text; std::getline(lines, text);)
    EXPECT_TRUE(std::regex_match(text, line)) << text;
}

}  // namespace
}  // namespace corbel::metrics
