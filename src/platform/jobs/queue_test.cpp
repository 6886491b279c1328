#include <gtest/gtest.h>

#include <map>
#include <random>

#include "jobs/job_endings.h"
#include "jobs/job_store.h"
#include "jobs_fixture.h"

namespace corbel::jobs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class QueueTest : public JobsTest {
 protected:
  std::vector<Job> claim(const std::string& token, int limit = 1, seconds lease = seconds(30)) {
    return write<std::vector<Job>>([&](store::Transaction& tx) {
      return rows::claim(tx, {.kinds = ",work,",
                              .token = token,
                              .now = clock.now(),
                              .until = clock.now() + lease,
                              .limit = limit});
    });
  }
  bool succeed(const Job& job, const std::string& token) {
    return write<bool>([&](store::Transaction& tx) {
      return settle(&outbox, tx, job, token,
                    {.status = Status::succeeded, .now = clock.now(), .result = "{}"});
    });
  }
  int takeBack() {
    return write<int>([&](store::Transaction& tx) {
      return takeBackLost(&outbox, tx, clock.now(), {}, random, 100);
    });
  }
  std::int64_t events() { return mustBe(outbox.pending(kSoon)).rows; }
};

TEST_F(QueueTest, GivesTheMostUrgentJobFirstAndThenTheOldest) {
  const Job old = add();
  const Job young = add();
  const Job urgent = add("acme", 10);
  std::vector<std::string> order;
  for (const Job& job : claim("a", 3)) order.push_back(job.id);
  EXPECT_EQ(order, (std::vector{urgent.id, old.id, young.id}));
}

TEST_F(QueueTest, GivesAJobOnce) {
  add();
  EXPECT_EQ(claim("a").size(), 1U);
  EXPECT_TRUE(claim("b").empty());
}

TEST_F(QueueTest, DoesNotGiveAJobBeforeItsTime) {
  mustBe(queue.add(
      {.tenant = "acme", .kind = "work", .createdBy = "ann", .runAt = clock.now() + seconds(10)},
      kSoon));
  EXPECT_TRUE(claim("a").empty());
  clock.advance(seconds(10));
  EXPECT_EQ(claim("a").size(), 1U);
}

TEST_F(QueueTest, DoesNotGiveKindsThatTheProcessDoesNotKnow) {
  add();
  const auto none = write<std::vector<Job>>([&](store::Transaction& tx) {
    return rows::claim(tx, {.kinds = ",rework,works,",
                            .token = "a",
                            .now = clock.now(),
                            .until = clock.now() + seconds(1),
                            .limit = 1});
  });
  EXPECT_TRUE(none.empty());
}

TEST_F(QueueTest, RefusesWhatATenantHasTooMuch) {
  for (int i = 0; i < 3; ++i) add();
  const auto refused = queue.add({.tenant = "acme", .kind = "work", .createdBy = "ann"}, kSoon);
  EXPECT_EQ(codeOf(refused), ErrorCode::resourceExhausted);
}

TEST_F(QueueTest, RefusesWhatAllTogetherHaveTooMuch) {
  for (int i = 0; i < 3; ++i) add("acme");
  for (int i = 0; i < 2; ++i) add("other");
  const auto refused = queue.add({.tenant = "third", .kind = "work", .createdBy = "ann"}, kSoon);
  EXPECT_EQ(codeOf(refused), ErrorCode::insufficientStorage);
}

TEST_F(QueueTest, HasRoomAgainWhenAJobHasEnded) {
  const Job first = add();
  for (int i = 0; i < 2; ++i) add();
  claim("a");
  ASSERT_TRUE(succeed(first, "a"));
  add();
}

TEST_F(QueueTest, NamesAKindThatDoesNotExist) {
  const auto refused = queue.add({.tenant = "acme", .kind = "dance", .createdBy = "ann"}, kSoon);
  EXPECT_EQ(codeOf(refused), ErrorCode::invalidArgument);
  EXPECT_EQ(refused.error().fields.at(0).pointer, "/kind");
}

TEST_F(QueueTest, CancelsAQueuedJobAtOnceAndTellsOfIt) {
  const Job job = add();
  EXPECT_EQ(mustBe(queue.cancel("acme", job.id, kSoon)).status, Status::cancelled);
  EXPECT_EQ(events(), 1);
  EXPECT_TRUE(claim("a").empty());
}

TEST_F(QueueTest, OnlyTellsARunningJobThatItIsCancelled) {
  const Job job = add();
  claim("a");
  const Job told = mustBe(queue.cancel("acme", job.id, kSoon));
  EXPECT_EQ(told.status, Status::running);
  EXPECT_TRUE(told.cancelRequested);
}

TEST_F(QueueTest, LeavesAJobThatHasEndedAsItIs) {
  const Job job = add();
  claim("a");
  ASSERT_TRUE(succeed(job, "a"));
  EXPECT_EQ(mustBe(queue.cancel("acme", job.id, kSoon)).status, Status::succeeded);
  EXPECT_EQ(codeOf(queue.retry("acme", job.id, kSoon)), ErrorCode::unprocessable);
}

TEST_F(QueueTest, HidesJobsOfOtherTenants) {
  const Job job = add("acme");
  EXPECT_EQ(codeOf(queue.get("other", job.id, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(queue.cancel("other", job.id, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(queue.retry("other", job.id, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(queue.log("other", job.id, 0, kSoon)), ErrorCode::notFound);
  EXPECT_TRUE(mustBe(queue.list("other", {}, kSoon)).empty());
}

TEST_F(QueueTest, ListsPagesNewestFirst) {
  const Job first = add();
  const Job second = add();
  const auto page = mustBe(queue.list("acme", {.limit = 1}, kSoon));
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].id, second.id);
  const auto rest = mustBe(queue.list("acme", {.limit = 5, .before = second.id}, kSoon));
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].id, first.id);
}

TEST_F(QueueTest, ALostLeaseCannotEndTheJob) {
  const Job job = add();
  claim("a", 1, seconds(30));
  clock.advance(seconds(31));
  ASSERT_EQ(takeBack(), 1);
  EXPECT_EQ(claim("b").size(), 1U);
  EXPECT_FALSE(succeed(job, "a"));
  EXPECT_EQ(get(job).status, Status::running);
  EXPECT_TRUE(succeed(job, "b"));
  EXPECT_EQ(get(job).status, Status::succeeded);
}

TEST_F(QueueTest, RefusesAnInputThatWouldFillAPage) {
  const auto addWith = [this](std::size_t bytes) {
    return queue.add({.tenant = "acme",
                      .kind = "work",
                      .input = "\"" + std::string(bytes - 2, 'x') + "\"",
                      .createdBy = "user:ann"},
                     kSoon);
  };
  EXPECT_TRUE(addWith(kInputBytes));
  EXPECT_EQ(codeOf(addWith(kInputBytes + 1)), ErrorCode::invalidArgument);
}

TEST_F(QueueTest, GivesUpAJobThatKillsEveryWorker) {
  const Job job = add();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_EQ(claim("t" + std::to_string(attempt)).size(), 1U);
    clock.advance(seconds(31));
    ASSERT_EQ(takeBack(), 1);
  }
  EXPECT_EQ(get(job).status, Status::failed);
  EXPECT_EQ(get(job).errorCode, "unavailable");
  EXPECT_EQ(events(), 1);
  EXPECT_EQ(mustBe(queue.retry("acme", job.id, kSoon)).attempts, 0);
  EXPECT_EQ(claim("again").size(), 1U);
}

TEST_F(QueueTest, CancelsALostJobThatWasToBeCancelled) {
  const Job job = add();
  claim("a");
  mustBe(queue.cancel("acme", job.id, kSoon));
  clock.advance(seconds(31));
  ASSERT_EQ(takeBack(), 1);
  EXPECT_EQ(get(job).status, Status::cancelled);
}

TEST_F(QueueTest, KeepsTheLastLinesOfALog) {
  const Job job = add();
  std::vector<LogLine> lines;
  lines.reserve(kLogLines + 10);
  for (int i = 0; i < kLogLines + 10; ++i)
    lines.push_back({.revision = 2, .at = clock.now(), .text = std::to_string(i)});
  write<bool>([&](store::Transaction& tx) -> Result<bool> {
    CORBEL_CHECK(rows::addLog(tx, job.id, lines));
    return true;
  });
  const auto kept = mustBe(queue.log("acme", job.id, 0, kSoon));
  ASSERT_EQ(kept.size(), std::size_t{kLogLines});
  EXPECT_EQ(kept.front().text, "10");
  EXPECT_TRUE(mustBe(queue.log("acme", job.id, 2, kSoon)).empty());
}

TEST_F(QueueTest, ARetryWaitsARandomTimeThatGrowsToABound) {
  milliseconds longest{0};
  for (int attempt = 0; attempt < 60; ++attempt) {
    for (int i = 0; i < 50; ++i) {
      const auto wait = waitBefore(attempt, {}, random);
      EXPECT_GE(wait, milliseconds(0));
      EXPECT_LT(wait, std::min(milliseconds(5'000LL << std::min(attempt, 20)),
                               milliseconds(std::chrono::minutes(10))));
      longest = std::max(longest, wait);
    }
  }
  EXPECT_GT(longest, std::chrono::minutes(5));
}

// Any order of claims, pauses, renewals, endings and take-backs, as several processes would do
// them.
TEST_F(QueueTest, NeverHasTwoOwnersOfAJobInAnySchedule) {
  struct Holding {
    Job job;
    std::string token;
    Timestamp until;
  };
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 schedule(seed);
    std::vector<Holding> held;
    std::map<std::string, int> endings;
    int tokens = 0;
    for (int step = 0; step < 60; ++step) {
      const auto any = [&](std::size_t count) { return schedule() % count; };
      switch (any(6)) {
        case 0:
          if (const auto job = queue.add(
                  {.tenant = "t" + std::to_string(any(3)), .kind = "work", .createdBy = "ann"},
                  kSoon)) {
            endings[job->id] = 0;
          }
          break;
        case 1: {
          const std::string token = std::to_string(seed) + "-" + std::to_string(++tokens);
          for (Job& job : claim(token, 2, seconds(10))) {
            for (const Holding& other : held)
              EXPECT_FALSE(other.job.id == job.id && other.until > clock.now());
            held.push_back({std::move(job), token, clock.now() + seconds(10)});
          }
          break;
        }
        case 2:
          clock.advance(milliseconds(any(8'000)));
          break;
        case 3:
          takeBack();
          break;
        default:
          if (held.empty()) break;
          const std::size_t index = any(held.size());
          Holding& holding = held[index];
          const auto renewed = write<std::optional<rows::Renewed>>([&](store::Transaction& tx) {
            return rows::renew(tx, {holding.job.id, holding.token}, clock.now() + seconds(10), {});
          });
          if (holding.until > clock.now()) {
            EXPECT_TRUE(renewed);
          }
          if (renewed) holding.until = clock.now() + seconds(10);
          if (any(2) == 0) {
            endings[holding.job.id] += succeed(holding.job, holding.token) ? 1 : 0;
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
          }
      }
    }
    for (const auto& [id, count] : endings) EXPECT_LE(count, 1) << id << " seed " << seed;
    // What this schedule left.
    clock.advance(std::chrono::minutes(20));
    for (const Holding& holding : held) succeed(holding.job, holding.token);
    takeBack();
    clock.advance(std::chrono::minutes(20));
    for (const Job& job : claim("rest-" + std::to_string(seed), 100))
      EXPECT_TRUE(succeed(job, "rest-" + std::to_string(seed)));
  }
}

}  // namespace
}  // namespace corbel::jobs
