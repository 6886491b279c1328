#include "exec/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/trace.h"

namespace corbel::exec {
namespace {

class PoolTest : public testing::Test {
 protected:
  Deadline soon() const { return Deadline::after(clock_, std::chrono::seconds(10)); }
  Deadline past() const { return Deadline::at(SteadyTime()); }

  SystemClock clock_;
};

TEST_F(PoolTest, RunsWorkOfManyThreads) {
  Pool pool({.name = "test", .threads = 4, .queueBound = 100'000}, clock_);
  std::atomic<int> ran = 0;
  {
    std::vector<std::jthread> callers;
    callers.reserve(4);
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) EXPECT_TRUE(pool.tryRun([&ran] { ++ran; }));
      });
    }
  }
  EXPECT_TRUE(pool.stop(soon()));
  EXPECT_EQ(ran, 4000);
  EXPECT_EQ(pool.stats().started, 4000u);
}

TEST_F(PoolTest, RunsWorkUnderTheSpanThatAskedForIt) {
  Pool pool({.name = "test"}, clock_);
  const trace::Context caller{1, 2, 3, false};
  std::optional<trace::Context> seen;
  std::optional<trace::Context> after;
  {
    const trace::Scope scope({.context = caller});
    pool.tryRun([&seen] { seen = trace::current().context; });
  }
  pool.tryRun([&after] { after = trace::current().context; });
  EXPECT_TRUE(pool.stop(soon()));
  EXPECT_EQ(seen, caller);
  EXPECT_EQ(after, std::nullopt);
}

TEST_F(PoolTest, RefusesWorkWhenTheQueueIsFull) {
  std::latch release(1);
  std::latch busy(1);
  Pool pool({.name = "test", .threads = 1, .queueBound = 1}, clock_);
  ASSERT_TRUE(pool.tryRun([&] {
    busy.count_down();
    release.wait();
  }));
  busy.wait();
  EXPECT_TRUE(pool.tryRun([] {}));
  EXPECT_FALSE(pool.tryRun([] {}));
  EXPECT_EQ(pool.stats().refused, 1u);
  release.count_down();
  EXPECT_TRUE(pool.stop(soon()));
}

TEST_F(PoolTest, RefusesWorkAfterStop) {
  Pool pool({.name = "test"}, clock_);
  EXPECT_TRUE(pool.stop(soon()));
  EXPECT_FALSE(pool.tryRun([] {}));
}

TEST_F(PoolTest, DestroysUnrunWorkAtTheDeadline) {
  std::latch release(1);
  std::latch busy(1);
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> queued = token;
  Pool pool({.name = "test"}, clock_);
  ASSERT_TRUE(pool.tryRun([&] {
    busy.count_down();
    release.wait();
  }));
  busy.wait();
  ASSERT_TRUE(pool.tryRun([held = std::move(token)] { FAIL(); }));
  EXPECT_FALSE(pool.stop(past()));
  EXPECT_TRUE(queued.expired());
  release.count_down();
}

TEST_F(PoolTest, OutlivesWorkThatThrows) {
  std::string told;
  bool destroyedFirst = false;
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> held = token;
  Pool pool({.name = "test", .onThrow = [&](std::string_view what) { told = what; }}, clock_);
  ASSERT_TRUE(pool.tryRun([moved = std::move(token)] { throw std::runtime_error("no memory"); }));
  ASSERT_TRUE(pool.tryRun([&] { destroyedFirst = held.expired(); }));
  EXPECT_TRUE(pool.stop(soon()));
  EXPECT_EQ(told, "no memory");
  EXPECT_TRUE(destroyedFirst);
}

TEST_F(PoolTest, TellsHowLongWorkWaited) {
  ManualClock clock;
  std::atomic<std::int64_t> waitedMs = -1;
  std::latch release(1);
  std::latch busy(1);
  Pool pool({.name = "test",
             .onWait =
                 [&](std::chrono::nanoseconds waited) {
                   waitedMs = waited / std::chrono::milliseconds(1);
                 }},
            clock);
  ASSERT_TRUE(pool.tryRun([&] {
    busy.count_down();
    release.wait();
  }));
  busy.wait();
  ASSERT_TRUE(pool.tryRun([] {}));
  clock.advance(std::chrono::milliseconds(7));
  release.count_down();
  EXPECT_TRUE(pool.stop(soon()));
  EXPECT_EQ(waitedMs, 7);
}

}  // namespace
}  // namespace corbel::exec
