#include "exec/periodic.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace corbel::exec {
namespace {

TEST(Periodic, WorksAgainAndAgain) {
  std::latch thrice(3);
  std::atomic<int> times = 0;
  const Periodic periodic(std::chrono::milliseconds(1), [&] {
    if (++times <= 3) thrice.count_down();
  });
  thrice.wait();
}

TEST(Periodic, EndsWithoutWaitingForItsNextTime) {
  std::atomic<int> times = 0;
  {
    const Periodic periodic(std::chrono::hours(1), [&] { ++times; });
  }
  EXPECT_EQ(times, 0);
}

}  // namespace
}  // namespace corbel::exec
