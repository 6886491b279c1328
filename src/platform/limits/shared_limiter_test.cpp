#include "limits/shared_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "telemetry/log.h"

namespace corbel::limits {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Quota kThirty{"infer", 30};
constexpr BucketKey kAnn{"", "ann"};

// What several processes share, in this one: it can be away, and come back without its memory.
class Shared {
 public:
  Shared(const Clock& clock, Random& random) : clock_(clock), random_(random) { forget(); }
  void goAway() {
    isAway = true;
    ++losses;
  }
  void forget() { limiter_ = std::make_unique<MemoryLimiter>(clock_, random_); }
  Decision admit(std::span<const Charge> charges) { return limiter_->admit(charges); }

  std::atomic<bool> isAway = false;
  std::atomic<int> losses = 0;
  std::latch* meetHere = nullptr;  // all who ask wait here for each other

 private:
  const Clock& clock_;
  Random& random_;
  std::unique_ptr<MemoryLimiter> limiter_;
};

// One process's way to it, which breaks once for each time it was away.
class Way final : public SharedBuckets {
 public:
  explicit Way(Shared& shared) : shared_(shared) {}
  Result<Decision> take(std::span<const Charge> charges, Deadline) override {
    if (shared_.meetHere != nullptr) shared_.meetHere->arrive_and_wait();
    if (shared_.isAway || seen_ != shared_.losses) return fail(ErrorCode::unavailable, "away");
    return shared_.admit(charges);
  }
  Result<void> rejoin(Deadline) override {
    if (shared_.isAway) return fail(ErrorCode::unavailable, "away");
    seen_ = shared_.losses.load();
    return {};
  }

 private:
  Shared& shared_;
  std::atomic<int> seen_ = 0;
};

class SharedLimiterTest : public testing::Test {
 protected:
  // Its own thread never asks: the tests do.
  SharedLimiter& replica(std::uint32_t count) {
    ways.push_back(std::make_unique<Way>(shared));
    replicas.push_back(std::make_unique<SharedLimiter>(
        *ways.back(), clock, random,
        SharedLimiterOptions{.replicas = count, .probeEvery = std::chrono::hours(1)}));
    return *replicas.back();
  }
  static Decision take(RateLimiter& limiter, const Quota& quota = kThirty) {
    return limiter.admit(std::array{Charge{kAnn, quota, 1}});
  }
  static int admitted(RateLimiter& limiter, int tries, const Quota& quota = kThirty) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += take(limiter, quota).allowed ? 1 : 0;
    return count;
  }

  ManualClock clock;
  log::Sink quiet{{.level = log::Level::error}, clock};
  SystemRandom random;
  Shared shared{clock, random};
  std::vector<std::unique_ptr<Way>> ways;
  std::vector<std::unique_ptr<SharedLimiter>> replicas;
};

TEST_F(SharedLimiterTest, IsOneBucketOverAllReplicas) {
  SharedLimiter& first = replica(2);
  SharedLimiter& second = replica(2);
  EXPECT_EQ(admitted(first, 20), 20);
  EXPECT_EQ(admitted(second, 20), 10);
  EXPECT_FALSE(first.stats().degraded);
}

TEST_F(SharedLimiterTest, LeavesTheNetworkThreadAloneWhileItMayHaveToWait) {
  SharedLimiter& limiter = replica(1);
  const std::array charges{Charge{kAnn, kThirty, 1}};
  EXPECT_FALSE(limiter.tryAdmit(charges));
  shared.goAway();
  EXPECT_TRUE(limiter.admit(charges).allowed);
  EXPECT_TRUE(limiter.tryAdmit(charges));
}

TEST_F(SharedLimiterTest, AllowsItsPartWhileTheyAreAway) {
  SharedLimiter& limiter = replica(3);
  shared.goAway();
  EXPECT_EQ(admitted(limiter, 100), 10);
  EXPECT_TRUE(limiter.stats().degraded);
  EXPECT_EQ(limiter.stats().local, 100u);
  EXPECT_EQ(take(limiter).limit, 10u);
}

TEST_F(SharedLimiterTest, AllowsAtLeastOneAndNothingOfNothing) {
  SharedLimiter& limiter = replica(3);
  shared.goAway();
  EXPECT_EQ(admitted(limiter, 5, {"one", 1}), 1);
  EXPECT_EQ(admitted(limiter, 5, {"none", 0}), 0);
}

TEST_F(SharedLimiterTest, CountsWhatWasGrantedBeforeTheyWentAway) {
  SharedLimiter& limiter = replica(3);
  EXPECT_EQ(admitted(limiter, 8), 8);
  shared.goAway();
  EXPECT_EQ(admitted(limiter, 100), 2);
}

TEST_F(SharedLimiterTest, AsksThemAgainWhenTheyAreBack) {
  SharedLimiter& limiter = replica(3);
  shared.goAway();
  EXPECT_EQ(admitted(limiter, 1), 1);
  limiter.probe();
  EXPECT_TRUE(limiter.stats().degraded);
  shared.isAway = false;
  limiter.probe();
  EXPECT_FALSE(limiter.stats().degraded);
  clock.advance(seconds(60));
  EXPECT_EQ(admitted(limiter, 100), 30);
}

TEST_F(SharedLimiterTest, NeedsTheConsentOfBothForAWindowAfterTheyCameBack) {
  SharedLimiter& limiter = replica(3);
  shared.goAway();
  EXPECT_EQ(admitted(limiter, 7), 7);
  shared.isAway = false;
  shared.forget();
  limiter.probe();
  EXPECT_EQ(admitted(limiter, 100), 3);
  const Decision refused = take(limiter);
  EXPECT_EQ(refused.limit, 10u);
  EXPECT_GE(refused.retryAfter, seconds(1));
  // Of the other replicas' part this one takes nothing, even if it is free.
  clock.advance(seconds(59));
  EXPECT_EQ(admitted(limiter, 100), 0);
}

// All of them have found something left in its part before any of them is granted anything.
TEST_F(SharedLimiterTest, AdmitsNoMoreThanItsPartOfManyAtOnceAfterTheyCameBack) {
  constexpr std::ptrdiff_t kThreads = 64;
  SharedLimiter& limiter = replica(3);
  shared.goAway();
  EXPECT_EQ(admitted(limiter, 4), 4);
  shared.isAway = false;
  shared.forget();
  limiter.probe();
  std::latch all(kThreads);
  shared.meetHere = &all;
  std::atomic<int> count = 0;
  {
    std::vector<std::jthread> threads;
    for (std::ptrdiff_t i = 0; i < kThreads; ++i)
      threads.emplace_back([&] { count += take(limiter).allowed ? 1 : 0; });
  }
  EXPECT_EQ(count, 6);
}

// A part of a large quota may be counted in another way than the whole.
TEST_F(SharedLimiterTest, AllowsItsPartOfALargeQuotaForAWindowAfterTheyCameBack) {
  for (const std::uint32_t limit : {1'500U, 2'000U, 6'000U}) {
    const Quota many{"many", limit};
    SharedLimiter& limiter = replica(3);
    shared.goAway();
    EXPECT_TRUE(take(limiter, many).allowed);
    shared.isAway = false;
    shared.forget();
    limiter.probe();
    EXPECT_EQ(admitted(limiter, 7'000, many), static_cast<int>(limit / 3) - 1) << limit;
  }
}

TEST_F(SharedLimiterTest, StartsWithItsPartWhereTheyAreAway) {
  shared.goAway();
  EXPECT_EQ(admitted(replica(3), 100), 10);
}

// Arrivals at random replicas at random times, while the shared buckets go away and come back, with
// and without their memory.
TEST_F(SharedLimiterTest, AroundAnAbsenceAdmitsAtMostOneQuotaMoreInAnyWindow) {
  constexpr int kLimit = 30;
  for (int i = 0; i < 3; ++i) replica(3);
  std::mt19937_64 dice(7);
  const auto roll = [&dice](int upTo) { return std::uniform_int_distribution<int>(0, upTo)(dice); };
  std::vector<SteadyTime> times;
  std::vector<bool> calm;  // whether the shared buckets were there for two windows before
  SteadyTime lastTrouble = clock.steady();
  for (int i = 0; i < 1'000'000; ++i) {
    clock.advance(milliseconds(roll(i / 10'000 % 2 == 0 ? 300 : 4'000)));
    if (roll(2'000) == 0) shared.goAway();
    if (shared.isAway && roll(300) == 0) {
      if (roll(1) == 0) shared.forget();
      shared.isAway = false;
    }
    if (roll(10) == 0) replicas[static_cast<std::size_t>(roll(2))]->probe();
    // Sometimes all come to one replica.
    const int which = i / 5'000 % 2 == 0 ? 0 : roll(2);
    const bool allowed = take(*replicas[static_cast<std::size_t>(which)]).allowed;
    const auto isDegraded = [](const auto& replica) { return replica->stats().degraded; };
    if (shared.isAway || std::ranges::any_of(replicas, isDegraded)) lastTrouble = clock.steady();
    if (!allowed) continue;
    times.push_back(clock.steady());
    calm.push_back(clock.steady() - lastTrouble > seconds(120));
  }
  ASSERT_GT(times.size(), 10'000u);
  std::size_t oldest = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    while (times[oldest] <= times[i] - seconds(60)) ++oldest;
    const std::size_t inWindow = i - oldest + 1;
    ASSERT_LE(inWindow, calm[i] ? kLimit : 2 * kLimit) << i;
  }
}

TEST_F(SharedLimiterTest, GivesManyThreadsOfThreeReplicasExactlyTheQuota) {
  for (int i = 0; i < 3; ++i) replica(3);
  std::atomic<int> count = 0;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < 64; ++i)
      threads.emplace_back([&, i] { count += admitted(*replicas[i % 3], 200); });
  }
  EXPECT_EQ(count, 30);
}

// With its own thread, which must notice by itself.
TEST_F(SharedLimiterTest, NoticesByItselfThatTheyAreBack) {
  Way way(shared);
  SharedLimiter limiter(way, clock, random, {.probeEvery = milliseconds(1)});
  shared.goAway();
  EXPECT_TRUE(take(limiter).allowed);
  shared.isAway = false;
  while (limiter.stats().degraded) std::this_thread::yield();
  EXPECT_FALSE(limiter.tryAdmit(std::array{Charge{kAnn, kThirty, 1}}));
}

}  // namespace
}  // namespace corbel::limits
