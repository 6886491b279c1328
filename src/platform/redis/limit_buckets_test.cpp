#include "redis/limit_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "redis_server.h"

namespace corbel::redis {
namespace {

using limits::Charge;
using limits::Decision;
using limits::Quota;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr limits::BucketKey kAnn{"acme", "ann"};
constexpr Quota kTen{"infer", 10};

class LimitBucketsTest : public testing::Test {
 protected:
  Result<Decision> take(const Quota& quota, std::uint32_t cost = 1,
                        const limits::BucketKey& key = kAnn) {
    return buckets.take(std::array{Charge{key, quota, cost}}, soon());
  }
  int admitted(const Quota& quota, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) {
      const auto decision = take(quota);
      count += decision && decision->allowed ? 1 : 0;
    }
    return count;
  }
  std::string ask(std::initializer_list<std::string_view> words) {
    const auto reply = client.command(words, soon());
    return reply ? reply->text : reply.error().message;
  }
  Deadline soon() const { return Deadline::after(clock, seconds(5)); }

  SystemClock clock;
  SystemRandom random;
  RedisServer server;
  Client client{{.port = server.port(), .timeout = milliseconds(1'000)}, clock, random};
  LimitBuckets buckets{client};
};

TEST_F(LimitBucketsTest, AdmitTheQuotaAndNoMore) {
  EXPECT_EQ(admitted(kTen, 30), 10);
  const auto refused = take(kTen);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->allowed);
  EXPECT_EQ(refused->policy, "infer");
  EXPECT_EQ(refused->remaining, 0u);
  EXPECT_GE(refused->retryAfter, seconds(55));
  EXPECT_LE(refused->retryAfter, seconds(60));
  EXPECT_LE(refused->reset, seconds(60));
}

TEST_F(LimitBucketsTest, GiveUnitsBackAWindowLater) {
  const Quota fast{"infer", 3, seconds(1)};
  EXPECT_EQ(admitted(fast, 5), 3);
  poll(nullptr, 0, 1'005);
  EXPECT_EQ(admitted(fast, 5), 3);
}

TEST_F(LimitBucketsTest, CountRowsAllOrNothingAndLookForNothing) {
  const Quota rows{"rows", 1'000};
  EXPECT_EQ(take(rows, 600)->remaining, 400u);
  const auto refused = take(rows, 500);
  EXPECT_FALSE(refused->allowed);
  EXPECT_EQ(refused->remaining, 400u);
  EXPECT_EQ(take(rows, 0)->remaining, 400u);
  EXPECT_TRUE(take(rows, 400)->allowed);
  EXPECT_EQ(take(rows, 1'001)->retryAfter, seconds(0));
}

TEST_F(LimitBucketsTest, ARefusalByOneBucketTakesNothingFromTheOthers) {
  const std::array both{Charge{kAnn, kTen, 1}, Charge{{"acme", ""}, {"tenant", 2}, 1},
                        Charge{kAnn, {"rows", 5'000}, 10}};
  EXPECT_TRUE(buckets.take(both, soon())->allowed);
  EXPECT_EQ(buckets.take(both, soon())->remaining, 8u);
  EXPECT_EQ(buckets.take(both, soon())->policy, "tenant");
  EXPECT_EQ(take(kTen, 0)->remaining, 8u);
  EXPECT_EQ(take({"rows", 5'000}, 0)->remaining, 4'980u);
}

TEST_F(LimitBucketsTest, AboveTheExactRangeCountByTheRate) {
  const Quota many{"api", 60'000};
  EXPECT_TRUE(take(many, 60'000)->allowed);
  const auto refused = take(many, 30'000);
  EXPECT_FALSE(refused->allowed);
  EXPECT_GE(refused->retryAfter, seconds(28));
  EXPECT_LE(refused->retryAfter, seconds(30));
  poll(nullptr, 0, 100);
  const int back = admitted(many, 2'000);
  EXPECT_GE(back, 90);
  EXPECT_LE(back, 2'000);
  EXPECT_TRUE(take({"huge", 4'294'967'295}, 4'294'967'295)->allowed);
  EXPECT_FALSE(take({"huge", 4'294'967'295}, 400'000'000)->allowed);
}

TEST_F(LimitBucketsTest, AQuotaOfZeroAdmitsNothing) { EXPECT_EQ(admitted({"none", 0}, 3), 0); }

TEST_F(LimitBucketsTest, KeepNoNamesAndNothingForLongerThanAWindow) {
  take(kTen, 1, {"acme", "somebody@example.com"});
  take({"api", 5'000}, 1, {"acme", "somebody@example.com"});
  const auto keys = client.command({"KEYS", "*"}, soon());
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->elements.size(), 2u);
  for (const Reply& key : keys->elements) {
    EXPECT_FALSE(key.text.contains("somebody"));
    const auto left = client.command({"PTTL", key.text}, soon());
    EXPECT_GT(left->integer, 0);
    EXPECT_LE(left->integer, 60'002);
  }
}

TEST_F(LimitBucketsTest, SurviveAFlushOfTheScripts) {
  EXPECT_EQ(admitted(kTen, 5), 5);
  EXPECT_EQ(ask({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(admitted(kTen, 10), 5);
}

TEST_F(LimitBucketsTest, AreAwayWhenTheServerRefusesToWrite) {
  ASSERT_TRUE(take(kTen));
  EXPECT_EQ(ask({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  EXPECT_EQ(take(kTen).error().code, ErrorCode::unavailable);
  EXPECT_FALSE(buckets.rejoin(soon()));
  EXPECT_EQ(ask({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  EXPECT_TRUE(buckets.rejoin(soon()));
  EXPECT_EQ(take(kTen)->remaining, 8u);
  EXPECT_EQ(ask({"REPLICAOF", "127.0.0.1", "1"}), "OK");
  EXPECT_FALSE(take(kTen));
  EXPECT_FALSE(buckets.rejoin(soon()));
  EXPECT_EQ(ask({"REPLICAOF", "NO", "ONE"}), "OK");
  EXPECT_TRUE(buckets.rejoin(soon()));
}

TEST_F(LimitBucketsTest, AreAwayAfterALossUntilTheyAreJoinedAgain) {
  ASSERT_TRUE(take(kTen));
  server.kill();
  server.start();
  while (client.losses() == 0) poll(nullptr, 0, 1);
  while (!client.status().available) poll(nullptr, 0, 1);
  EXPECT_FALSE(take(kTen));
  ASSERT_TRUE(buckets.rejoin(soon()));
  EXPECT_EQ(take(kTen)->remaining, 9u);
}

struct Arrival {
  SteadyTime before;
  SteadyTime after;
};

// The largest number of arrivals that were certainly admitted within less than `window`: whenever
// the server saw them between `before` and `after`.
std::size_t largestWindow(std::vector<Arrival> arrivals, seconds window) {
  std::ranges::sort(arrivals, {}, &Arrival::before);
  std::size_t largest = 0;
  for (std::size_t first = 0; first < arrivals.size(); ++first) {
    const SteadyTime end = arrivals[first].before + window;
    std::size_t count = 0;
    for (std::size_t i = first; i < arrivals.size() && arrivals[i].before < end; ++i)
      count += arrivals[i].after < end ? 1 : 0;
    largest = std::max(largest, count);
  }
  return largest;
}

// CORBEL_ARRIVALS of them at the most, from 64 threads, at three replicas of one server. The window
// is short, so that there are many of them.
TEST_F(LimitBucketsTest, NoWindowAdmitsMoreThanTheQuotaOverThreeReplicas) {
  const char* const wanted = std::getenv("CORBEL_ARRIVALS");  // NOLINT(concurrency-mt-unsafe)
  const int arrivals = wanted != nullptr ? std::atoi(wanted) : 20'000;
  constexpr int kThreads = 64;
  constexpr Quota kFast{"infer", 100, seconds(1)};
  std::array<std::unique_ptr<Client>, 3> clients;
  std::array<std::unique_ptr<LimitBuckets>, 3> replicas;
  for (std::size_t i = 0; i < 3; ++i) {
    clients[i] = std::make_unique<Client>(
        Options{.port = server.port(), .timeout = milliseconds(5'000)}, clock, random);
    replicas[i] = std::make_unique<LimitBuckets>(*clients[i]);
  }
  std::array<std::vector<Arrival>, kThreads> admitted;
  std::atomic<int> failed = 0;
  const SteadyTime begin = clock.steady();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::array charges{Charge{kAnn, kFast, 1}};
        for (int round = 0; round < arrivals / kThreads; ++round) {
          const SteadyTime before = clock.steady();
          const auto decision = replicas[i % 3]->take(charges, soon());
          failed += decision ? 0 : 1;
          if (decision && decision->allowed) admitted[i].push_back({before, clock.steady()});
        }
      });
    }
  }
  const std::chrono::duration<double> took = clock.steady() - begin;
  std::vector<Arrival> all;
  for (const auto& some : admitted) all.insert(all.end(), some.begin(), some.end());
  EXPECT_EQ(failed, 0);
  EXPECT_LE(largestWindow(all, seconds(1)), 100u);
  // No less than the quota either, but for the last, cut-off window.
  EXPECT_GE(all.size(), static_cast<std::size_t>(took.count()) * 99);
  RecordProperty("arrivals", arrivals);
  RecordProperty("admitted", static_cast<int>(all.size()));
}

}  // namespace
}  // namespace corbel::redis
