#include "resilience/dependency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "seeded_random_for_tests.h"
#include "telemetry/metric_table.h"

namespace corbel::resilience {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Error kDown{ErrorCode::unavailable, "The server could not be reached.", "", {}};
const Error kTimeout{ErrorCode::deadlineExceeded, "The server did not answer in time.", "", {}};

class DependencyTest : public testing::Test {
 protected:
  DependencyParts parts() { return {clock_, random_, metrics_}; }
  Deadline in(std::chrono::milliseconds time) const { return Deadline::after(clock_, time); }

  // One call with this outcome.
  static Result<int> ask(Dependency& dependency, Deadline deadline, const Result<int>& answer) {
    return dependency.call(deadline, [&](Permit&) { return answer; });
  }
  Result<int> ask(Dependency& dependency, const Result<int>& answer) {
    return ask(dependency, in(10s), answer);
  }
  void open(Dependency& dependency) {
    for (int i = 0; i < 5; ++i) static_cast<void>(ask(dependency, std::unexpected(kDown)));
  }

  ManualClock clock_;
  SeededRandom random_{5};
  metrics::Metrics metrics_;
};

TEST_F(DependencyTest, AnAttemptHasItsOwnCapAndLeavesTheCallerTimeToAnswer) {
  Dependency dependency({.name = "d", .cap = 700ms}, parts());
  EXPECT_EQ(dependency.enter(in(10s))->deadline().remaining(clock_), 700ms);
  EXPECT_EQ(dependency.enter(in(300ms))->deadline().remaining(clock_), 250ms);
}

TEST_F(DependencyTest, ACallerWithoutTimeAsksNobody) {
  Dependency dependency({.name = "d"}, parts());
  bool asked = false;
  const auto result = dependency.call(in(50ms), [&](Permit&) -> Result<int> {
    asked = true;
    return 1;
  });
  EXPECT_EQ(result.error().code, ErrorCode::deadlineExceeded);
  EXPECT_FALSE(asked);
}

TEST_F(DependencyTest, WhatDoesNotAnswerIsNotAskedForAWhile) {
  Dependency dependency({.name = "auth.backend"}, parts());
  open(dependency);
  const auto refused = ask(dependency, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("Try again in"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("auth.backend"))) << "callers learn no names";
  EXPECT_THAT(refused.error().detail, HasSubstr("auth.backend: the breaker is open"));
  clock_.advance(5s);
  EXPECT_EQ(ask(dependency, 1), 1) << "five seconds later somebody tries";
}

TEST_F(DependencyTest, RefusalsOfTheOtherSideAreAnswers) {
  Dependency dependency({.name = "d"}, parts());
  const Error refusal{ErrorCode::unauthenticated, "", "", {}};
  for (int i = 0; i < 50; ++i) static_cast<void>(ask(dependency, std::unexpected(refusal)));
  EXPECT_EQ(dependency.snapshot().breaker, BreakerState::closed);
}

TEST_F(DependencyTest, CallersWhoGiveLittleTimeDoNotOpenIt) {
  Dependency dependency({.name = "d", .cap = 1s}, parts());
  for (int i = 0; i < 50; ++i)
    static_cast<void>(ask(dependency, in(500ms), std::unexpected(kTimeout)));
  EXPECT_EQ(dependency.snapshot().breaker, BreakerState::closed);
  for (int i = 0; i < 5; ++i)
    static_cast<void>(ask(dependency, in(900ms), std::unexpected(kTimeout)));
  EXPECT_EQ(dependency.snapshot().breaker, BreakerState::open);
}

TEST_F(DependencyTest, APermitThatIsDroppedCountsForNothing) {
  Dependency dependency({.name = "d", .bulkhead = {.running = 1, .waiting = 0}}, parts());
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(dependency.enter(in(1s)));
  const Snapshot snapshot = dependency.snapshot();
  EXPECT_EQ(snapshot.failed + snapshot.answered, 0u);
  EXPECT_EQ(snapshot.running, 0u);
}

TEST_F(DependencyTest, APauseThatWasAskedForIsKept) {
  Dependency dependency({.name = "d"}, parts());
  static_cast<void>(dependency.call(in(1s), [](Permit& permit) -> Result<int> {
    permit.pushBack(20s);
    return fail(ErrorCode::unavailable, "429");
  }));
  EXPECT_EQ(dependency.retryIn(), 20s);
  EXPECT_EQ(dependency.snapshot().failed, 0u) << "it is up, only busy";
}

TEST_F(DependencyTest, IdempotentCallsAreTriedTwiceAtMost) {
  Dependency dependency({.name = "d", .repeat = Repeat::once, .pauseMax = 0ms}, parts());
  int attempts = 0;
  const auto result = dependency.call(in(5s), [&](Permit&) -> Result<int> {
    ++attempts;
    return std::unexpected(kDown);
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(dependency.snapshot().retried, 1u);
}

TEST_F(DependencyTest, OthersAreTriedOnce) {
  Dependency dependency({.name = "d"}, parts());
  int attempts = 0;
  static_cast<void>(dependency.call(in(5s), [&](Permit&) -> Result<int> {
    ++attempts;
    return std::unexpected(kDown);
  }));
  EXPECT_EQ(attempts, 1);
}

TEST_F(DependencyTest, NothingIsTriedAgainWhereNoTimeIsLeftForIt) {
  Dependency dependency({.name = "d", .repeat = Repeat::once, .pauseMax = 0ms}, parts());
  int attempts = 0;
  static_cast<void>(dependency.call(in(1s), [&](Permit&) -> Result<int> {
    ++attempts;
    clock_.advance(600ms);
    return std::unexpected(kDown);
  }));
  EXPECT_EQ(attempts, 1);
}

TEST_F(DependencyTest, SecondAttemptsAreBoundedOverall) {
  Dependency dependency({.name = "d",
                         .repeat = Repeat::once,
                         .pauseMax = 0ms,
                         .breaker = {.consecutiveFailures = 1'000'000, .windowCalls = 1'000'000}},
                        parts());
  for (int i = 0; i < 100; ++i) static_cast<void>(ask(dependency, std::unexpected(kDown)));
  EXPECT_LE(dependency.snapshot().retried, 21u) << "a fifth, and the one that is always there";
}

TEST_F(DependencyTest, TellsOperatorsWhatIsWrong) {
  Dependency dependency({.name = "d", .endpoint = "https://auth.internal"}, parts());
  static_cast<void>(dependency.call(in(1s), [&](Permit&) -> Result<int> {
    clock_.advance(30ms);
    return 1;
  }));
  open(dependency);
  static_cast<void>(ask(dependency, 1));
  const Snapshot snapshot = dependency.snapshot();
  EXPECT_EQ(snapshot.endpoint, "https://auth.internal");
  EXPECT_EQ(snapshot.latency, 30ms);
  EXPECT_EQ(snapshot.breaker, BreakerState::open);
  EXPECT_EQ(snapshot.lastError->message, kDown.message);
  EXPECT_EQ(snapshot.lastErrorAt, clock_.now());
  EXPECT_EQ(snapshot.answered, 1u);
  EXPECT_EQ(snapshot.failed, 5u);
  EXPECT_EQ(snapshot.refused, 1u);
  EXPECT_EQ(metrics_.of(metrics::kDependencyCalls).with("failed", "d").value(), 5u);
  EXPECT_EQ(metrics_.of(metrics::kDependencyBreaker).with("d").value(), 2);
}

TEST_F(DependencyTest, NobodyWaitsOnANetworkThread) {
  Dependency dependency({.name = "d", .bulkhead = {.running = 1, .waiting = 10}}, parts());
  const auto inside = dependency.tryEnter(in(1s));
  EXPECT_EQ(dependency.tryEnter(in(1s)).error().code, ErrorCode::unavailable);
}

TEST_F(DependencyTest, APlaceThatBecomesFreeGoesToWhoWaits) {
  Dependency dependency({.name = "d", .bulkhead = {.running = 1, .waiting = 1}}, parts());
  auto inside = std::make_optional(*dependency.enter(in(1s)));
  Result<int> second = 0;
  std::jthread waiter([&] { second = ask(dependency, 2); });
  while (dependency.snapshot().waiting == 0) std::this_thread::yield();
  inside.reset();
  waiter.join();
  EXPECT_EQ(second, 2);
}

// Who is not woken waits for an hour.
TEST_F(DependencyTest, PlacesThatBecomeFreeTogetherAllGoToWhoWaits) {
  constexpr std::size_t kPlaces = 4;
  Dependency dependency(
      {.name = "d", .bulkhead = {.running = kPlaces, .waiting = kPlaces}, .waitMax = 1h}, parts());
  for (int round = 0; round < 200; ++round) {
    std::vector<Permit> inside;
    for (std::size_t i = 0; i < kPlaces; ++i) inside.push_back(*dependency.enter(in(2h)));
    std::latch entered(kPlaces);
    std::vector<std::jthread> waiters;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      waiters.emplace_back([&] {
        const auto permit = dependency.enter(in(2h));
        entered.arrive_and_wait();  // nobody leaves before all are in
      });
    }
    while (dependency.snapshot().waiting < kPlaces) std::this_thread::yield();
    inside.clear();
  }
  EXPECT_EQ(dependency.snapshot().running, 0u);
}

TEST_F(DependencyTest, WhoWaitsIsSentAwayWhenItOpens) {
  Dependency dependency({.name = "d",
                         .bulkhead = {.running = 1, .waiting = 1},
                         .breaker = {.consecutiveFailures = 1}},
                        parts());
  auto inside = dependency.enter(in(1s));
  Result<int> second = 0;
  std::jthread waiter([&] { second = ask(dependency, 2); });
  while (dependency.snapshot().waiting == 0) std::this_thread::yield();
  inside->finish(&kDown);
  waiter.join();
  EXPECT_THAT(second.error().detail, HasSubstr("breaker"));
}

TEST_F(DependencyTest, AFullBulkheadRefusesAfterTheWait) {
  const SystemClock clock;
  Dependency dependency({.name = "d", .bulkhead = {.running = 1, .waiting = 1}, .waitMax = 5ms},
                        {clock, random_, metrics_});
  const auto inside = dependency.enter(Deadline::after(clock, 10s));
  const auto second = dependency.enter(Deadline::after(clock, 10s));
  EXPECT_THAT(second.error().detail, HasSubstr("no place in time"));
  EXPECT_EQ(dependency.snapshot().waiting, 0u);
}

TEST_F(DependencyTest, ManyThreadsNeverExceedItsPlaces) {
  const SystemClock clock;
  Dependency dependency({.name = "d", .bulkhead = {.running = 3, .waiting = 64}, .waitMax = 10s},
                        {clock, random_, metrics_});
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          static_cast<void>(
              dependency.call(Deadline::after(clock, 30s), [&](Permit&) -> Result<int> {
                const int now = ++inside;
                for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
                }
                --inside;
                return 1;
              }));
        }
      });
    }
  }
  EXPECT_LE(most, 3);
  EXPECT_EQ(dependency.snapshot().answered, 4'000u);
}

TEST_F(DependencyTest, AProbeClosesItBeforeItsTime) {
  std::atomic<bool> isBack = false;
  Dependency dependency({.name = "d",
                         .probe = [&](Deadline) -> Result<void> {
                           if (isBack) return {};
                           return std::unexpected(kDown);
                         }},
                        parts());
  open(dependency);
  EXPECT_FALSE(dependency.probeNow());
  isBack = true;
  // The dependency's own thread may be probing just now.
  while (dependency.snapshot().breaker != BreakerState::closed) dependency.probeNow();
  EXPECT_EQ(ask(dependency, 1), 1);
}

}  // namespace
}  // namespace corbel::resilience
