#include "cache/cache.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <map>
#include <thread>
#include <vector>

#include "cache/store_tier.h"

namespace corbel::cache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Key kRow{"acme", "predictions", "row"};
const Cache::Make kFails = [] { return fail(ErrorCode::unavailable, "it is away"); };

Cache::Make gives(std::string value) {
  return [value = std::move(value)]() -> Result<std::string> { return value; };
}

class CacheTest : public testing::Test {
 protected:
  CacheTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~CacheTest() override { std::filesystem::remove_all(folder); }

  static Result<Found> make(Cache& of, const Cache::Make& how) {
    return of.findOrMake(kRow, seconds(60), Deadline::never(), how);
  }
  std::unique_ptr<Tier> tier(std::int64_t maxBytes = 1 << 20) const {
    auto opened = openStoreTier(folder / "cache", maxBytes, clock);
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }
  void put(Tier& tier, const std::string& name, std::size_t size, seconds ttl) const {
    tier.put({"acme", "predictions", name}, {std::string(size, 'x'), ttl}, milliseconds(0));
  }
  static bool has(Tier& tier, const std::string& name) {
    return tier.find({"acme", "predictions", name}, Deadline::never()).has_value();
  }

  ManualClock clock;
  std::filesystem::path folder;
  Cache cache{{}, nullptr, clock};
};

using StoreTier = CacheTest;

TEST_F(CacheTest, KeepsAValueUntilItsTimeIsOver) {
  cache.put(kRow, "1", seconds(60));
  clock.advance(milliseconds(59'999));
  EXPECT_EQ(cache.find(kRow, Deadline::never()), "1");
  clock.advance(milliseconds(1));
  EXPECT_FALSE(cache.find(kRow, Deadline::never()));
  EXPECT_EQ(cache.stats().hits, 1u);
  EXPECT_EQ(cache.stats().misses, 1u);
}

TEST_F(CacheTest, MixesUpNeitherTenantsNorKinds) {
  cache.put(kRow, "1");
  EXPECT_FALSE(cache.find({"other", "predictions", "row"}, Deadline::never()));
  EXPECT_FALSE(cache.find({"acme", "jwks", "row"}, Deadline::never()));
  EXPECT_FALSE(cache.find({"acm", "epredictions", "row"}, Deadline::never()));
}

TEST_F(CacheTest, MakesWhatItLacksOnce) {
  EXPECT_EQ(make(cache, gives("1"))->value, "1");
  EXPECT_EQ(make(cache, gives("2"))->value, "1");
  clock.advance(seconds(60));
  const auto again = make(cache, gives("3"));
  EXPECT_EQ(again->value, "3");
  EXPECT_FALSE(again->stale());
}

TEST_F(CacheTest, KeepsNothingWithoutTime) {
  cache.put(kRow, "1", seconds(0));
  EXPECT_FALSE(cache.find(kRow, Deadline::never()));
}

TEST_F(CacheTest, GivesAStaleValueMarkedAsSuchWhenItCannotBeMade) {
  ASSERT_TRUE(make(cache, gives("1")));
  clock.advance(seconds(60));
  const auto stale = make(cache, kFails);
  ASSERT_TRUE(stale);
  EXPECT_EQ(stale->value, "1");
  EXPECT_TRUE(stale->stale());
  EXPECT_EQ(cache.stats().stale, 1u);
  EXPECT_FALSE(make(cache, gives("2"))->stale());
}

TEST_F(CacheTest, HidesNoMistakeOfTheAskerBehindAStaleValue) {
  ASSERT_TRUE(make(cache, gives("1")));
  clock.advance(seconds(60));
  const auto refused = make(cache, [] { return fail(ErrorCode::invalidArgument, "no"); });
  EXPECT_EQ(refused.error().code, ErrorCode::invalidArgument);
}

TEST_F(CacheTest, DoesNotKeepStaleValuesForEver) {
  ASSERT_TRUE(make(cache, gives("1")));
  clock.advance(seconds(60 + 3'600));
  EXPECT_EQ(make(cache, kFails).error().code, ErrorCode::unavailable);
}

TEST_F(CacheTest, RemembersNoFailure) {
  EXPECT_FALSE(make(cache, kFails));
  EXPECT_EQ(make(cache, gives("1"))->value, "1");
}

TEST_F(CacheTest, ManyThreadsThatAskAtOnceMakeItOnce) {
  std::atomic<int> made = 0;
  std::atomic<int> right = 0;
  std::latch start(32);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 32; ++i) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        const auto found = make(cache, [&]() -> Result<std::string> {
          ++made;
          return "1";
        });
        right += found && found->value == "1" ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(right, 32);
}

TEST_F(CacheTest, WhoWaitsForAnotherWaitsUntilTheDeadline) {
  std::latch making(1);
  std::latch finish(1);
  std::jthread slow([&] {
    static_cast<void>(make(cache, [&]() -> Result<std::string> {
      making.count_down();
      finish.wait();
      return "1";
    }));
  });
  making.wait();
  const auto waited =
      cache.findOrMake(kRow, seconds(60), Deadline::after(clock, milliseconds(0)), gives("2"));
  EXPECT_EQ(waited.error().code, ErrorCode::deadlineExceeded);
  finish.count_down();
}

TEST_F(CacheTest, StaysBelowItsBytesWhateverIsPut) {
  Cache small({.maxBytes = 1 << 20}, nullptr, clock);
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = std::to_string(i);
    small.put({"acme", "predictions", name}, std::string(static_cast<std::size_t>(i) % 700, 'x'));
    ASSERT_LE(small.stats().bytes, std::size_t{1} << 20);
  }
  EXPECT_GT(small.stats().entries, 1'000u);
  small.put(kRow, std::string(100'000, 'x'));  // more than a shard holds
  EXPECT_FALSE(small.find(kRow, Deadline::never()));
}

TEST_F(CacheTest, GivesUpHalfOfItWhereMemoryIsShort) {
  for (int i = 0; i < 1'000; ++i)
    cache.put({"acme", "predictions", std::to_string(i)}, std::string(500, 'x'));
  ASSERT_TRUE(cache.find({"acme", "predictions", "0"}, Deadline::never()));
  const Stats before = cache.stats();
  cache.shrink();
  EXPECT_LE(cache.stats().bytes, before.bytes / 2);
  EXPECT_GE(cache.stats().entries, 400u);
  EXPECT_TRUE(cache.find({"acme", "predictions", "0"}, Deadline::never())) << "used just now";
  for (int i = 0; i < 20; ++i) cache.shrink();
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST_F(CacheTest, GivesUpWhatWasNotUsedForTheLongestTime) {
  Cache small({.maxBytes = 16 * 2'000}, nullptr, clock);
  small.put(kRow, "kept");
  for (int i = 0; i < 10'000; ++i) {
    small.put({"acme", "predictions", std::to_string(i)}, "x");
    ASSERT_TRUE(small.find(kRow, Deadline::never())) << i;
  }
}

TEST_F(StoreTier, KeepsValuesOverARestart) {
  auto first = tier();
  {
    Cache one({}, first.get(), clock);
    one.put(kRow, std::string("1\0\xff", 3), seconds(60));
  }
  first.reset();
  const auto second = tier();
  Cache other({}, second.get(), clock);
  clock.advance(seconds(30));
  EXPECT_EQ(other.find(kRow, Deadline::never()), std::string("1\0\xff", 3));
  clock.advance(seconds(30));
  EXPECT_FALSE(other.find(kRow, Deadline::never()));
  EXPECT_TRUE(make(other, kFails)->stale());
}

TEST_F(StoreTier, StaysBelowItsBytesByGivingUpTheFirstToExpire) {
  const auto file = tier(200'000);
  for (int i = 0; i < 300; ++i) put(*file, std::to_string(i), 700, seconds(60 + i));
  ASSERT_TRUE(file->sweep(Deadline::never()));  // behind all that was put
  int kept = 0;
  for (int i = 0; i < 300; ++i) kept += has(*file, std::to_string(i)) ? 1 : 0;
  EXPECT_LE(kept, 200);
  EXPECT_GE(kept, 20);
  EXPECT_FALSE(has(*file, "0"));
  EXPECT_TRUE(has(*file, "299"));
}

TEST_F(StoreTier, CountsAReplacedValueOnceAndKeepsNoneLargerThanItself) {
  const auto file = tier(2'500);
  put(*file, "kept", 700, seconds(30));
  for (int i = 0; i < 5; ++i) put(*file, "again", 700, seconds(60));
  put(*file, "huge", 3'000, seconds(60));
  ASSERT_TRUE(file->sweep(Deadline::never()));
  EXPECT_TRUE(has(*file, "kept"));
  EXPECT_TRUE(has(*file, "again"));
  EXPECT_FALSE(has(*file, "huge"));
}

TEST_F(StoreTier, SweepsWhatNobodyWantsAnyMore) {
  const auto file = tier(2'500);
  put(*file, "a", 700, seconds(10));
  put(*file, "b", 700, seconds(100));
  clock.advance(seconds(10));
  ASSERT_TRUE(file->sweep(Deadline::never()));
  put(*file, "c", 700, seconds(100));
  ASSERT_TRUE(file->sweep(Deadline::never()));
  EXPECT_TRUE(has(*file, "b"));
  EXPECT_TRUE(has(*file, "c"));
}

TEST_F(StoreTier, ADamagedFileIsReplaced) {
  {
    const auto file = tier();
    put(*file, "a", 700, seconds(10));
  }
  std::ofstream(folder / "cache/cache.db", std::ios::trunc) << std::string(10'000, 'x');
  const auto file = tier();
  put(*file, "b", 700, seconds(10));
  ASSERT_TRUE(file->sweep(Deadline::never()));
  EXPECT_TRUE(has(*file, "b"));
}

}  // namespace
}  // namespace corbel::cache
