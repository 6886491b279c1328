#include "trace/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "telemetry/metric_table.h"

namespace corbel::trace {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A collector: keeps what it was sent, answers as told.
class Collector {
 public:
  Send send() {
    return [this](const std::string& body, Deadline) -> Result<int> {
      const MutexLock lock(mutex_);
      bodies_.push_back(body);
      if (statuses_.empty()) return 200;
      const int status = statuses_.front();
      if (statuses_.size() > 1) statuses_.erase(statuses_.begin());
      if (status == 0) return fail(ErrorCode::unavailable, "nobody is there");
      return status;
    };
  }
  // The last one stays.
  void answer(std::vector<int> statuses) { statuses_ = std::move(statuses); }
  std::vector<std::string> bodies() {
    const MutexLock lock(mutex_);
    return bodies_;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> bodies_ CORBEL_GUARDED_BY(mutex_);
  std::vector<int> statuses_;
};

class ExporterTest : public testing::Test {
 protected:
  ExporterOptions options() const {
    return {.service = {"corbel", "1.2.3", "here"},
            .every = milliseconds(5),
            .retryAfter = milliseconds(1)};
  }
  Exporter::Parts parts() { return {random, clock, metrics}; }
  std::uint64_t exported() { return metrics.of(metrics::kSpansExported).with().value(); }
  std::uint64_t dropped() { return metrics.of(metrics::kSpansDropped).with().value(); }
  Deadline soon() const { return Deadline::after(clock, std::chrono::seconds(10)); }
  static FinishedSpan span(const std::string& name) {
    return {.context = {1, 2, 3, true}, .name = name};
  }

  SystemClock clock;
  SystemRandom random;
  metrics::Metrics metrics;
  Collector collector;
};

constexpr std::string_view kSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

TEST_F(ExporterTest, ACallersTraceGoesOn) {
  Exporter exporter(parts(), options(), collector.send());
  const CallTrace call = exporter.begin(kSampled);
  EXPECT_EQ(call.position.recorder, &exporter);
  EXPECT_EQ(call.position.context->traceHigh, 0x4bf92f3577b34da6u);
  EXPECT_EQ(call.parentSpanId, 0x00f067aa0ba902b7u);
  EXPECT_NE(call.position.context->spanId, call.parentSpanId);
}

TEST_F(ExporterTest, WhatTheCallerDoesNotSampleIsPassedOnAndNotRecorded) {
  Exporter exporter(parts(), options(), collector.send());
  const CallTrace call = exporter.begin(kUnsampled);
  EXPECT_EQ(call.position.recorder, nullptr);
  const Scope scope(call.position);
  EXPECT_EQ(outgoingTraceparent(), kUnsampled);
}

TEST_F(ExporterTest, TheShareOfCallsThatIsTracedIsTheRatio) {
  ExporterOptions tenth = options();
  tenth.samplingRatio = 0.1;
  Exporter exporter(parts(), tenth, collector.send());
  int sampled = 0;
  for (int i = 0; i < 10'000; ++i) sampled += exporter.begin("").position.recorder ? 1 : 0;
  EXPECT_NEAR(sampled, 1'000, 150);  // five standard deviations
}

TEST_F(ExporterTest, AllOrNoneAreTracedAtTheEndsOfTheRange) {
  ExporterOptions none = options();
  none.samplingRatio = 0;
  Exporter never(parts(), none, collector.send());
  Exporter always(parts(), options(), collector.send());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(never.begin("").position.recorder, nullptr);
    EXPECT_NE(always.begin("not a traceparent").position.recorder, nullptr);
  }
}

TEST_F(ExporterTest, SendsWhatWasRecordedInBatchesAndTheRestWhenItStops) {
  ExporterOptions small = options();
  small.batchMax = 4;
  Exporter exporter(parts(), small, collector.send());
  for (int i = 0; i < 10; ++i) exporter.record(span("span-" + std::to_string(i)));
  exporter.stop(soon());
  EXPECT_EQ(exported(), 10u);
  EXPECT_EQ(dropped(), 0u);
  const auto bodies = collector.bodies();
  EXPECT_GE(bodies.size(), 3u);
  EXPECT_THAT(bodies.front(), HasSubstr("span-0"));
  EXPECT_THAT(bodies.front(), HasSubstr("1.2.3"));
  EXPECT_THAT(bodies.back(), HasSubstr("span-9"));
}

TEST_F(ExporterTest, ACollectorThatIsAwayForAMomentLosesNothing) {
  collector.answer({0, 503, 429, 200});
  Exporter exporter(parts(), options(), collector.send());
  exporter.record(span("patient"));
  while (collector.bodies().size() < 4) std::this_thread::yield();
  exporter.stop(soon());
  EXPECT_EQ(exported(), 1u);
  EXPECT_EQ(dropped(), 0u);
}

TEST_F(ExporterTest, WhatIsRefusedForGoodIsDroppedAndCounted) {
  collector.answer({400});
  Exporter exporter(parts(), options(), collector.send());
  exporter.record(span("refused"));
  exporter.stop(soon());
  EXPECT_EQ(collector.bodies().size(), 1u);
  EXPECT_EQ(dropped(), 1u);
}

TEST_F(ExporterTest, ACollectorThatHangsHoldsNobodyUpAndCostsABoundedQueue) {
  std::latch begun(1);
  std::latch release(1);
  ExporterOptions narrow = options();
  narrow.queueMax = 100;
  narrow.batchMax = 1;
  Exporter exporter(parts(), narrow, [&](const std::string&, Deadline) -> Result<int> {
    if (!begun.try_wait()) begun.count_down();
    release.wait();
    return 200;
  });
  exporter.record(span("first"));
  begun.wait();
  for (int i = 0; i < 1'000; ++i) exporter.record(span("more"));
  EXPECT_EQ(dropped(), 900u);
  release.count_down();
  exporter.stop(soon());
  EXPECT_EQ(exported(), 101u);
}

TEST_F(ExporterTest, AStopWithoutTimeDropsAndCounts) {
  ExporterOptions slow = options();
  slow.every = std::chrono::hours(1);
  {
    Exporter exporter(parts(), slow, collector.send());
    exporter.record(span("late"));
  }
  EXPECT_EQ(exported() + dropped(), 1u);
  EXPECT_EQ(collector.bodies().size(), exported());
}

}  // namespace
}  // namespace corbel::trace
