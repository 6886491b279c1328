#include "resilience/bulkhead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "resilience/retry_budget.h"
#include "seeded_random_for_tests.h"

namespace corbel::resilience {
namespace {

using namespace std::chrono_literals;

TEST(Bulkhead, LetsNoMoreInThanItHasPlaces) {
  Bulkhead bulkhead({.running = 2, .waiting = 1});
  EXPECT_TRUE(bulkhead.tryEnter());
  EXPECT_TRUE(bulkhead.tryEnter());
  EXPECT_FALSE(bulkhead.tryEnter());
  EXPECT_TRUE(bulkhead.enqueue());
  EXPECT_FALSE(bulkhead.enqueue());
}

TEST(Bulkhead, ServesInTheOrderOfArrival) {
  Bulkhead bulkhead({.running = 1, .waiting = 2});
  ASSERT_TRUE(bulkhead.tryEnter());
  const auto first = bulkhead.enqueue();
  const auto second = bulkhead.enqueue();
  bulkhead.leave();
  EXPECT_FALSE(bulkhead.tryEnter()) << "others wait";
  EXPECT_FALSE(bulkhead.tryEnter(*second));
  EXPECT_TRUE(bulkhead.tryEnter(*first));
}

TEST(Bulkhead, WhoGivesUpHoldsUpNobody) {
  Bulkhead bulkhead({.running = 1, .waiting = 2});
  ASSERT_TRUE(bulkhead.tryEnter());
  const auto first = bulkhead.enqueue();
  const auto second = bulkhead.enqueue();
  bulkhead.giveUp(*first);
  bulkhead.leave();
  EXPECT_TRUE(bulkhead.tryEnter(*second));
}

TEST(BulkheadSchedules, KeepTheBoundsAndTheOrder) {
  SeededRandom random(3);
  Bulkhead bulkhead({.running = 4, .waiting = 8});
  std::deque<Bulkhead::Turn> queue;
  std::size_t running = 0;
  for (int step = 0; step < 1'000'000; ++step) {
    switch (random.below(5)) {
      case 0:
        if (bulkhead.tryEnter()) {
          ASSERT_TRUE(queue.empty()) << "somebody was overtaken";
          ++running;
        }
        break;
      case 1:
        if (const auto turn = bulkhead.enqueue()) queue.push_back(*turn);
        break;
      case 2:
        if (!queue.empty()) {
          const auto at = random.below(queue.size());
          const bool entered = bulkhead.tryEnter(queue[at]);
          ASSERT_EQ(entered, at == 0 && running < 4);
          if (entered) {
            queue.pop_front();
            ++running;
          }
        }
        break;
      case 3:
        if (!queue.empty() && random.below(3) == 0) {
          const auto at = random.below(queue.size());
          bulkhead.giveUp(queue[at]);
          queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
        }
        break;
      default:
        if (running > 0) {
          bulkhead.leave();
          --running;
        }
    }
    ASSERT_EQ(bulkhead.running(), running);
    ASSERT_EQ(bulkhead.waiting(), queue.size());
    ASSERT_LE(running, 4u);
    ASSERT_LE(queue.size(), 8u);
  }
}

TEST(RetryBudget, AllowsOneASecondToWhatIsSeldomAsked) {
  SteadyTime now{1h};
  RetryBudget budget({}, now);
  EXPECT_TRUE(budget.tryRetry(now));
  EXPECT_FALSE(budget.tryRetry(now));
  now += 1s;
  EXPECT_TRUE(budget.tryRetry(now));
}

TEST(RetryBudget, AllowsAFifthOfManyCalls) {
  const SteadyTime now{1h};
  RetryBudget budget({}, now);
  int retries = 0;
  for (int call = 0; call < 1'000; ++call) {
    budget.firstAttempt();
    retries += budget.tryRetry(now) ? 1 : 0;
  }
  EXPECT_EQ(retries, 201);
}

TEST(RetryBudget, ALongPauseSavesNoMoreThanTen) {
  SteadyTime now{1h};
  RetryBudget budget({}, now);
  now += 240h;
  int retries = 0;
  while (budget.tryRetry(now)) ++retries;
  EXPECT_EQ(retries, 10);
}

// In no stretch of time more than was saved, plus one a second, plus a fifth of the calls.
TEST(RetryBudgetSchedules, NeverExceedTheShare) {
  SeededRandom random(11);
  const SteadyTime start{1h};
  SteadyTime now = start;
  RetryBudget budget({}, now);
  SteadyTime from = now;
  std::int64_t calls = 0;
  std::int64_t retries = 0;
  for (int step = 0; step < 1'000'000; ++step) {
    if (step % 997 == 0) {
      from = now;
      calls = retries = 0;
    }
    if (random.below(4) == 0) now += std::chrono::milliseconds(random.below(50));
    budget.firstAttempt();
    ++calls;
    if (random.below(2) == 0) retries += budget.tryRetry(now) ? 1 : 0;
    const auto passed = std::chrono::ceil<std::chrono::milliseconds>(now - from).count();
    ASSERT_LE(retries * 1000, 10'000 + 1'000 + passed + calls * 200);
  }
}

}  // namespace
}  // namespace corbel::resilience
