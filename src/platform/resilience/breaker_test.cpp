#include "resilience/breaker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "seeded_random_for_tests.h"

namespace corbel::resilience {
namespace {

using namespace std::chrono_literals;
using Kind = Breaker::Ticket::Kind;

constexpr BreakerOptions kRules{};

// A breaker, its time, and calls that last no time.
class Fixture : public testing::Test {
 protected:
  void pass(Outcome outcome) {
    const auto ticket = breaker_.enter(now_);
    ASSERT_TRUE(ticket);
    breaker_.leave(*ticket, outcome, now_);
  }
  void fail(int times) {
    for (int i = 0; i < times; ++i) pass(Outcome::failed);
  }
  void waitUntilHalfOpen() { now_ = breaker_.retryAt(now_); }
  BreakerState state() const { return breaker_.state(now_); }

  SeededRandom random_{1};
  SteadyTime now_{1h};
  Breaker breaker_{kRules, random_};
};

using BreakerTest = Fixture;

TEST_F(BreakerTest, OpensAfterFiveFailuresInARow) {
  fail(4);
  EXPECT_EQ(state(), BreakerState::closed);
  fail(1);
  EXPECT_EQ(state(), BreakerState::open);
  EXPECT_FALSE(breaker_.enter(now_));
}

TEST_F(BreakerTest, OneAnswerEndsARowOfFailures) {
  fail(4);
  pass(Outcome::answered);
  fail(4);
  EXPECT_EQ(state(), BreakerState::closed);
}

TEST_F(BreakerTest, OpensWhenHalfOfTwentyCallsFailed) {
  for (int i = 0; i < 9; ++i) {
    fail(1);
    pass(Outcome::answered);
  }
  pass(Outcome::answered);
  EXPECT_EQ(state(), BreakerState::closed) << "19 calls are too few to judge";
  fail(1);
  EXPECT_EQ(state(), BreakerState::open) << "10 of 20 failed";
}

TEST_F(BreakerTest, ForgetsWhatIsOlderThanTenSeconds) {
  for (int i = 0; i < 9; ++i) {
    fail(1);
    pass(Outcome::answered);
  }
  now_ += 10s;
  pass(Outcome::answered);
  fail(2);
  EXPECT_EQ(state(), BreakerState::closed);
}

TEST_F(BreakerTest, CallsThatWereGivenUpSayNothing) {
  fail(4);
  pass(Outcome::unknown);
  EXPECT_EQ(state(), BreakerState::closed);
  fail(1);
  EXPECT_EQ(state(), BreakerState::open);
}

TEST_F(BreakerTest, StaysOpenFiveSecondsLessAtMostAFifth) {
  fail(5);
  const auto open = breaker_.retryAt(now_) - now_;
  EXPECT_GE(open, 4s);
  EXPECT_LE(open, 5s);
}

TEST_F(BreakerTest, OneCallTriesWhetherItIsBackAndOthersStayOut) {
  fail(5);
  waitUntilHalfOpen();
  EXPECT_EQ(state(), BreakerState::halfOpen);
  const auto trial = breaker_.enter(now_);
  ASSERT_TRUE(trial);
  EXPECT_FALSE(breaker_.enter(now_));
  breaker_.leave(*trial, Outcome::answered, now_);
  EXPECT_EQ(state(), BreakerState::closed);
}

TEST_F(BreakerTest, ATrialThatWasGivenUpLeavesItsPlaceToTheNext) {
  fail(5);
  waitUntilHalfOpen();
  pass(Outcome::unknown);
  EXPECT_EQ(state(), BreakerState::halfOpen);
  EXPECT_TRUE(breaker_.enter(now_));
}

TEST_F(BreakerTest, TheTimeDoublesUpToAMinute) {
  fail(5);
  std::vector<std::chrono::nanoseconds> times;
  for (int i = 0; i < 6; ++i) {
    times.push_back(breaker_.retryAt(now_) - now_);
    waitUntilHalfOpen();
    fail(1);
  }
  const std::vector<std::chrono::seconds> longest{5s, 10s, 20s, 40s, 60s, 60s};
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_LE(times[i], longest[i]);
    EXPECT_GE(times[i], longest[i] * 4 / 5);
  }
}

TEST_F(BreakerTest, AProbeInTheBackgroundClosesItEarly) {
  fail(5);
  now_ += 1500ms;
  const auto probe = breaker_.enterBackground(now_);
  ASSERT_TRUE(probe);
  breaker_.leave(*probe, Outcome::answered, now_);
  EXPECT_EQ(state(), BreakerState::closed);
  EXPECT_TRUE(breaker_.enter(now_));
}

TEST_F(BreakerTest, AProbeThatFailsDoesNotMakeItLonger) {
  fail(5);
  const auto before = breaker_.retryAt(now_);
  now_ += 1500ms;
  const auto probe = breaker_.enterBackground(now_);
  breaker_.leave(*probe, Outcome::failed, now_);
  EXPECT_EQ(breaker_.retryAt(now_), before);
}

TEST_F(BreakerTest, AfterAProbeOneFailureOpensItAgainForLonger) {
  fail(5);
  now_ += 1500ms;
  breaker_.leave(*breaker_.enterBackground(now_), Outcome::answered, now_);
  fail(1);
  EXPECT_EQ(state(), BreakerState::open);
  EXPECT_GE(breaker_.retryAt(now_) - now_, 8s);
}

TEST_F(BreakerTest, ALateFailureOfAnEarlierStateSaysNothing) {
  const auto slow = breaker_.enter(now_);
  fail(5);
  waitUntilHalfOpen();
  pass(Outcome::answered);
  breaker_.leave(*slow, Outcome::failed, now_);
  fail(4);
  EXPECT_EQ(state(), BreakerState::closed);
}

TEST_F(BreakerTest, APauseThatWasAskedForIsKept) {
  breaker_.pushBack(30s, now_);
  now_ += 29s;
  EXPECT_EQ(state(), BreakerState::open);
  EXPECT_FALSE(breaker_.enter(now_));
  EXPECT_FALSE(breaker_.enterBackground(now_)) << "nobody asks meanwhile";
  now_ += 1s;
  EXPECT_EQ(state(), BreakerState::closed);
}

TEST_F(BreakerTest, APauseOfAYearIsNotBelieved) {
  breaker_.pushBack(24h * 365, now_);
  EXPECT_EQ(breaker_.retryAt(now_) - now_, kRules.longestPushBack);
}

// What the rules say, kept in the plainest way: all outcomes since it was closed.
class Model {
 public:
  void note(Outcome outcome, SteadyTime now) {
    if (outcome == Outcome::unknown) return;
    calls_.push_back({std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()),
                      outcome == Outcome::failed});
    row_ = outcome == Outcome::failed ? row_ + 1 : 0;
  }
  bool mustOpen(SteadyTime now) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
    while (!calls_.empty() && calls_.front().second <= second - 10s) calls_.pop_front();
    const auto failed = std::ranges::count(calls_, true, &Noted::failed);
    const auto all = std::ssize(calls_);
    return row_ >= 5 || (all >= 20 && 2 * failed >= all);
  }
  void clear(int row) {
    calls_.clear();
    row_ = row;
  }

 private:
  struct Noted {
    std::chrono::seconds second;
    bool failed;
  };
  std::deque<Noted> calls_;
  int row_ = 0;
};

// 10^6 steps in which calls begin, end in any order, are given up, and time passes.
TEST(BreakerSchedules, KeepTheRules) {
  SeededRandom random(20261121);
  SeededRandom jitter(7);
  Breaker breaker(kRules, jitter);
  Model model;
  SteadyTime now{1h};
  std::vector<Breaker::Ticket> under;
  std::uint64_t current = 0;
  int opened = 0;
  std::uint64_t failsPercent = 50;
  for (int step = 0; step < 1'000'000; ++step) {
    if (step % 5'000 == 0) failsPercent = random.below(101);
    const std::uint64_t action = random.below(100);
    if (action < 20) {
      now += std::chrono::milliseconds(random.below(random.below(50) == 0 ? 20'000 : 200));
    } else if (action < 22) {
      if (const auto probe = breaker.enterBackground(now)) under.push_back(*probe);
    } else if (action < 60 || under.empty()) {
      const BreakerState before = breaker.state(now);
      const auto ticket = breaker.enter(now);
      ASSERT_FALSE(before == BreakerState::open && ticket) << "a call passed an open breaker";
      ASSERT_FALSE(before == BreakerState::closed && !ticket) << "a closed one refused";
      if (ticket) under.push_back(*ticket);
    } else {
      const auto at = static_cast<std::ptrdiff_t>(random.below(under.size()));
      const Breaker::Ticket ticket = under[static_cast<std::size_t>(at)];
      under.erase(under.begin() + at);
      const Outcome outcome = random.below(20) == 0              ? Outcome::unknown
                              : random.below(100) < failsPercent ? Outcome::failed
                                                                 : Outcome::answered;
      const BreakerState before = breaker.state(now);
      breaker.leave(ticket, outcome, now);
      const BreakerState after = breaker.state(now);
      if (ticket.generation != current) {
        ASSERT_EQ(before, after) << "an outcome of an earlier state changed it";
        continue;
      }
      if (ticket.kind == Kind::call) {
        model.note(outcome, now);
        ASSERT_EQ(after == BreakerState::open, outcome != Outcome::unknown && model.mustOpen(now));
      } else {
        ASSERT_NE(before, BreakerState::closed);
        const bool answered = outcome == Outcome::answered;
        ASSERT_EQ(after == BreakerState::closed, answered);
        if (answered) model.clear(ticket.kind == Kind::trial ? 0 : 4);
      }
      if (after == before) continue;
      ++current;
      if (after == BreakerState::open) {
        ++opened;
        model.clear(0);
        ASSERT_LE(breaker.retryAt(now) - now, 60s);
        ASSERT_GE(breaker.retryAt(now) - now, 4s);
      }
    }
    const auto trials = std::ranges::count_if(under, [&](const Breaker::Ticket& ticket) {
      return ticket.generation == current && ticket.kind != Kind::call;
    });
    ASSERT_LE(trials, 1) << "more than one tried whether it is back";
  }
  EXPECT_GT(opened, 1'000);
}

}  // namespace
}  // namespace corbel::resilience
