#include "limits/memory_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include "bucket_table.h"
#include "sip_hash.h"

namespace corbel::limits {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Quota kTenAMinute{"infer", 10};
constexpr BucketKey kAnn{"acme", "ann"};

class FixedRandom final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override { std::ranges::fill(bytes, std::byte{7}); }
};

Decision take(RateLimiter& limiter, const BucketKey& key, const Quota& quota,
              std::uint32_t cost = 1) {
  return limiter.admit(std::array{Charge{key, quota, cost}});
}

class Limits : public testing::Test {
 protected:
  Decision take(const BucketKey& key, const Quota& quota, std::uint32_t cost = 1) {
    return limits::take(limiter, key, quota, cost);
  }
  int admitted(const BucketKey& key, const Quota& quota, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += take(key, quota).allowed ? 1 : 0;
    return count;
  }

  ManualClock clock;
  FixedRandom random;
  MemoryLimiter limiter{clock, random};
};

using SlidingLog = Limits;
using Counter = Limits;
using Buckets = Limits;
using Memory = Limits;

TEST_F(SlidingLog, AdmitsTheQuotaAndNoMore) { EXPECT_EQ(admitted(kAnn, kTenAMinute, 100), 10); }

TEST_F(SlidingLog, GivesEachUnitBackAWindowAfterItWasTaken) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(take(kAnn, kTenAMinute).allowed);
    clock.advance(seconds(1));
  }
  clock.advance(milliseconds(49'999));
  EXPECT_FALSE(take(kAnn, kTenAMinute).allowed);
  clock.advance(milliseconds(1));
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 5), 1);
  clock.advance(seconds(1));
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 5), 1);
}

TEST_F(SlidingLog, NeverAdmitsMoreThanTheQuotaInAnyWindow) {
  std::mt19937_64 dice(1);
  std::deque<SteadyTime> window;
  std::size_t largest = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    // Bursts, steady traffic and pauses in turn.
    const int style = i / 1'000 % 3;
    const int upTo = style == 0 ? 3 : style == 1 ? 12'000 : i % 100 == 0 ? 120'000 : 50;
    clock.advance(milliseconds(std::uniform_int_distribution<int>(0, upTo)(dice)));
    if (!take(kAnn, kTenAMinute).allowed) continue;
    window.push_back(clock.steady());
    while (window.front() <= clock.steady() - seconds(60)) window.pop_front();
    largest = std::max(largest, window.size());
  }
  EXPECT_EQ(largest, 10u);
}

TEST_F(SlidingLog, CountsABatchByItsRowsAllOrNothing) {
  const Quota rows{"rows", 1'000};
  EXPECT_TRUE(take(kAnn, rows, 600).allowed);
  clock.advance(seconds(20));
  const Decision refused = take(kAnn, rows, 500);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.remaining, 400u);
  EXPECT_EQ(refused.retryAfter, seconds(40));
  EXPECT_TRUE(take(kAnn, rows, 400).allowed);
  EXPECT_FALSE(take(kAnn, rows, 1).allowed);
}

TEST_F(SlidingLog, TakesNothingForNoRows) {
  const Quota rows{"rows", 10};
  EXPECT_EQ(take(kAnn, rows, 0).remaining, 10u);
  EXPECT_EQ(admitted(kAnn, rows, 20), 10);
  EXPECT_TRUE(take(kAnn, rows, 0).allowed);
}

TEST_F(SlidingLog, SaysThatAsManyAsTheWholeQuotaNeverFit) {
  const Decision decision = take(kAnn, kTenAMinute, 11);
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(decision.retryAfter, seconds(0));
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 11), 10);
}

TEST_F(SlidingLog, RetryAfterIsWhenTheNextOneFits) {
  EXPECT_TRUE(take(kAnn, kTenAMinute).allowed);
  clock.advance(milliseconds(24'300));
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 20), 9);
  const Decision refused = take(kAnn, kTenAMinute);
  EXPECT_EQ(refused.retryAfter, seconds(36));
  clock.advance(refused.retryAfter);
  EXPECT_TRUE(take(kAnn, kTenAMinute).allowed);
}

TEST_F(SlidingLog, ALoweredLimitWaitsUntilEnoughHasLeft) {
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 10), 10);
  clock.advance(seconds(30));
  const Decision refused = take(kAnn, {"infer", 5});
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.remaining, 0u);
  EXPECT_EQ(refused.retryAfter, seconds(30));
  clock.advance(seconds(30));
  EXPECT_EQ(admitted(kAnn, {"infer", 5}, 10), 5);
}

TEST_F(SlidingLog, AQuotaOfZeroAdmitsNothing) { EXPECT_EQ(admitted(kAnn, {"infer", 0}, 5), 0); }

TEST_F(SlidingLog, AdmitsExactlyTheQuotaToManyThreadsAtOnce) {
  std::atomic<int> count = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 64; ++i) {
      threads.emplace_back([&] { count += admitted(kAnn, kTenAMinute, 20); });
    }
  }
  EXPECT_EQ(count, 10);
}

TEST_F(Counter, AdmitsTheQuotaAtOnceAndThenByTheRate) {
  const Quota many{"api", 6'000};
  EXPECT_EQ(admitted(kAnn, many, 7'000), 6'000);
  clock.advance(seconds(1));
  EXPECT_EQ(admitted(kAnn, many, 200), 100);
}

TEST_F(Counter, OverAnHourAdmitsNoMoreThanTheRateAndOneBurst) {
  const Quota many{"api", 1'200};
  std::mt19937_64 dice(2);
  std::int64_t count = 0;
  const SteadyTime begin = clock.steady();
  while (clock.steady() - begin < std::chrono::hours(1)) {
    clock.advance(milliseconds(std::uniform_int_distribution<int>(0, 40)(dice)));
    count += take(kAnn, many).allowed ? 1 : 0;
  }
  EXPECT_LE(count, 60 * 1'200 + 1'200);
  EXPECT_GE(count, 60 * 1'200);
}

TEST_F(Counter, RefusesABatchThatDoesNotFitAndSaysWhenItWill) {
  const Quota rows{"rows", 100'000};
  EXPECT_TRUE(take(kAnn, rows, 80'000).allowed);
  const Decision refused = take(kAnn, rows, 50'000);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.remaining, 20'000u);
  EXPECT_EQ(refused.retryAfter, seconds(18));
  clock.advance(refused.retryAfter);
  EXPECT_TRUE(take(kAnn, rows, 50'000).allowed);
  EXPECT_EQ(take(kAnn, rows, 4'000'000'000).retryAfter, seconds(0));
}

TEST_F(Counter, AtTheLargestLimitDoesNotOverflow) {
  const Quota huge{"rows", 4'294'967'295};
  EXPECT_TRUE(take(kAnn, huge, 4'294'967'295).allowed);
  EXPECT_FALSE(take(kAnn, huge, 4'294'967'295).allowed);
}

TEST_F(Buckets, AreSeparateByTenantPrincipalAndPolicy) {
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 20), 10);
  EXPECT_EQ(admitted({"acme", "bob"}, kTenAMinute, 20), 10);
  EXPECT_EQ(admitted({"globex", "ann"}, kTenAMinute, 20), 10);
  EXPECT_EQ(admitted(kAnn, {"api", 10}, 20), 10);
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 20), 0);
}

TEST_F(Buckets, AreNotMixedUpByIdsThatContainSeparators) {
  using namespace std::string_view_literals;
  EXPECT_EQ(admitted({"a", "b\0infer\0c"sv}, kTenAMinute, 20), 10);
  EXPECT_EQ(admitted({"a", "c"}, kTenAMinute, 20), 10);
  EXPECT_EQ(admitted({"a", "b"}, kTenAMinute, 20), 10);
}

TEST_F(Buckets, KeepWhatWasUsedWhenTheLimitCrossesTheExactRange) {
  EXPECT_EQ(admitted(kAnn, {"infer", 1'000}, 1'000), 1'000);
  EXPECT_EQ(admitted(kAnn, {"infer", 1'500}, 2'000), 500);
  EXPECT_EQ(admitted(kAnn, {"infer", 1'000}, 2'000), 0);
}

using AllOrNone = Limits;

TEST_F(AllOrNone, ARefusalByOneBucketTakesNothingFromTheOthers) {
  const Quota tenant{"tenant", 3};
  const Quota rows{"rows", 5'000};
  for (int i = 0; i < 200; ++i) {
    // Many names, so that their buckets meet in one shard and in several, in either order.
    const std::string name = "user-" + std::to_string(i);
    const std::array charges{Charge{{"", name}, kTenAMinute, 1}, Charge{{name, ""}, tenant, 1},
                             Charge{{"", name}, rows, 2'000}};
    EXPECT_EQ(limiter.admit(charges).policy, "infer");
    EXPECT_EQ(limiter.admit(charges).remaining, 8u);
    const Decision refused = limiter.admit(charges);
    EXPECT_FALSE(refused.allowed);
    EXPECT_EQ(refused.policy, "rows");
    EXPECT_EQ(take({"", name}, kTenAMinute, 0).remaining, 8u);
    EXPECT_EQ(take({name, ""}, tenant, 0).remaining, 1u);
    EXPECT_EQ(take({"", name}, rows, 0).remaining, 1'000u);
    const std::array small{charges[0], charges[1], Charge{{"", name}, rows, 1'000}};
    EXPECT_TRUE(limiter.admit(small).allowed);
    EXPECT_EQ(limiter.admit(small).allowed, false);
  }
}

TEST_F(AllOrNone, NoThreadSeesWhatIsTakenBack) {
  // One bucket is empty: whoever needs both gets nothing, and never keeps another from the first.
  const Quota none{"none", 0};
  std::atomic<bool> stop = false;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> greedy;
    for (int i = 0; i < 4; ++i) {
      greedy.emplace_back([&] {
        const std::array both{Charge{kAnn, kTenAMinute, 10}, Charge{{"full", ""}, none, 1}};
        const std::array turned{both[1], both[0]};
        while (!stop) {
          limiter.admit(both);
          limiter.admit(turned);
        }
      });
    }
    for (int i = 0; i < 2'000; ++i) refused += take(kAnn, kTenAMinute, 0).remaining == 10 ? 0 : 1;
    stop = true;
  }
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 20), 10);
}

TEST_F(Memory, StaysBelowItsBoundWhileIdleBucketsMakeRoom) {
  MemoryLimiter small(clock, random, {.maxBytes = 16 * 1024, .shards = 1});
  for (int i = 0; i < 10'000; ++i) {
    clock.advance(seconds(1));
    const std::string principal = "user-" + std::to_string(i);
    ASSERT_TRUE(limits::take(small, {"acme", principal}, {"infer", 2, seconds(5)}).allowed) << i;
    ASSERT_LE(small.bytes(), 16u * 1024);
  }
  EXPECT_LT(small.buckets(), 100u);
}

TEST_F(Memory, FullOfBucketsInUseRefusesNewOnesInsteadOfForgetting) {
  MemoryLimiter small(clock, random, {.maxBytes = 16 * 1024, .shards = 1});
  EXPECT_EQ(admitted(kAnn, kTenAMinute, 0), 0);
  while (limits::take(small, kAnn, kTenAMinute).allowed) {
  }
  int made = 0;
  while (limits::take(small, {"acme", "user-" + std::to_string(made)}, kTenAMinute).allowed) ++made;
  EXPECT_GT(made, 10);
  EXPECT_EQ(limits::take(small, {"acme", "newcomer"}, kTenAMinute).retryAfter, seconds(1));
  EXPECT_FALSE(limits::take(small, kAnn, kTenAMinute).allowed);
  clock.advance(seconds(60));
  EXPECT_TRUE(limits::take(small, {"acme", "newcomer"}, kTenAMinute).allowed);
}

TEST(BucketTable, CountsTheBucketsOfShortKeysInFull) {
  const std::size_t one = Bucket::bytesFor("k") + 96;
  BucketTable table(one - 1);
  EXPECT_FALSE(table.admit({"k", 1}, 0, {"infer", 10}, 0).allowed);
  EXPECT_EQ(table.bytes(), 0u);
}

// A counter takes no room, the log that it becomes does.
TEST(BucketTable, StaysBelowItsBoundWhenALimitCrossesTheExactRange) {
  const std::size_t max = 2 * (Bucket::bytesFor("k") + 96) + 32;
  BucketTable table(max);
  for (const std::string_view key : {"a", "b"})
    ASSERT_TRUE(table.admit({key, 1}, 0, {"infer", 5'000}, 4'000).allowed);
  for (const std::string_view key : {"a", "b"}) {
    EXPECT_EQ(table.admit({key, 1}, 0, {"infer", 10}, 1).allowed, false);
    EXPECT_LE(table.bytes(), max);
  }
  EXPECT_FALSE(table.admit({"newcomer", 2}, 0, {"infer", 10}, 1).allowed);
}

TEST(RateLimitFields, FollowTheDraft) {
  const Decision decision{.allowed = false,
                          .policy = "infer",
                          .limit = 10,
                          .remaining = 3,
                          .window = seconds(60),
                          .reset = seconds(24),
                          .retryAfter = seconds(7)};
  EXPECT_EQ(rateLimitPolicyField(decision), "\"infer\";q=10;w=60");
  EXPECT_EQ(rateLimitField(decision), "\"infer\";r=3;t=24");
  EXPECT_EQ(retryAfterField(decision), "7");
}

TEST(SipHash, AnswersThePublishedVectorAndDependsOnEveryByte) {
  // Key 00 01 … 0f; SipHash-1-3 of nothing, as in the tests of Rust's standard library.
  const auto hash = [](std::string_view text) {
    return SipHash(0x0706050403020100, 0x0f0e0d0c0b0a0908).of(text);
  };
  EXPECT_EQ(hash(""), 0xabac0158050fc4dc);
  EXPECT_NE(hash(std::string_view("\0", 1)), hash(""));
  EXPECT_NE(hash("12345678"), hash("123456780"));
}

}  // namespace
}  // namespace corbel::limits
