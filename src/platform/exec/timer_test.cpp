#include "exec/timer.h"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <vector>

namespace corbel::exec {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

Deadline in(milliseconds time) { return Deadline::at(std::chrono::steady_clock::now() + time); }

TEST(Timer, CallsInTheOrderOfTheirTimes) {
  std::vector<int> called;
  std::latch both(2);
  Timer timer(10);
  ASSERT_TRUE(timer.at(in(milliseconds(20)), [&] {
    called.push_back(2);
    both.count_down();
  }));
  ASSERT_TRUE(timer.at(in(milliseconds(1)), [&] {
    called.push_back(1);
    both.count_down();
  }));
  both.wait();
  EXPECT_EQ(called, (std::vector<int>{1, 2}));
}

TEST(Timer, ForgetsWhatHasNotComeWhenItStops) {
  const auto held = std::make_shared<int>(0);
  Timer timer(10);
  ASSERT_TRUE(timer.at(in(hours(1)), [held] { FAIL(); }));
  timer.stop();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(timer.at(in(hours(0)), [] {}));
}

TEST(Timer, HasABound) {
  Timer timer(1);
  EXPECT_TRUE(timer.at(in(hours(1)), [] {}));
  EXPECT_FALSE(timer.at(in(hours(1)), [] {}));
}

}  // namespace
}  // namespace corbel::exec
