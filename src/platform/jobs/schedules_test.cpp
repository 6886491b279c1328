#include "jobs/schedules.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "jobs/job_store.h"
#include "jobs_fixture.h"

namespace corbel::jobs {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class SchedulesTest : public JobsTest {
 protected:
  Schedule create(const std::string& cron, std::chrono::milliseconds grace = minutes(5),
                  const std::string& name = "nightly") {
    return mustBe(schedules.create(
        "acme", {.name = name, .kind = "work", .cron = cron, .grace = grace}, "user:ann", kSoon));
  }
  int fire() { return mustBe(schedules.fireDue(kSoon)); }
  std::vector<Job> jobs() { return mustBe(queue.list("acme", {.limit = 200}, kSoon)); }
  void finishAll() {
    for (const Job& job : jobs()) mustBe(queue.cancel("acme", job.id, kSoon));
  }
  Schedule get(const Schedule& schedule) {
    return mustBe(schedules.get("acme", schedule.id, kSoon));
  }
};

TEST_F(SchedulesTest, MakesAJobWhenItIsDueAndNotBefore) {
  const Schedule made = create("0 * * * *");
  EXPECT_EQ(made.nextRunAt, clock.now() + minutes(60));
  clock.advance(minutes(59));
  EXPECT_EQ(fire(), 0);
  clock.advance(minutes(1));
  EXPECT_EQ(fire(), 1);
  EXPECT_EQ(fire(), 0);
  ASSERT_EQ(jobs().size(), 1U);
  EXPECT_EQ(jobs()[0].scheduledFor, made.nextRunAt);
  EXPECT_EQ(get(made).lastJobId, jobs()[0].id);
  EXPECT_EQ(get(made).nextRunAt, made.nextRunAt + minutes(60));
}

TEST_F(SchedulesTest, MakesOneJobOfManyTimesThatWereMissed) {
  const Schedule made = create("*/10 * * * *", minutes(25));
  clock.advance(minutes(61));
  EXPECT_EQ(fire(), 1);
  EXPECT_EQ(jobs()[0].scheduledFor, made.nextRunAt + minutes(50));
}

TEST_F(SchedulesTest, LeavesOutWhatIsTooLate) {
  const Schedule made = create("0 * * * *", minutes(5));
  clock.advance(minutes(66));
  EXPECT_EQ(fire(), 0);
  EXPECT_TRUE(jobs().empty());
  EXPECT_EQ(get(made).lastSkippedReason, "Nobody was there to begin it in time.");
  EXPECT_EQ(get(made).nextRunAt, made.nextRunAt + minutes(60));
}

TEST_F(SchedulesTest, DoesNotBeginARunWhileTheOneBeforeIsOpen) {
  const Schedule made = create("0 * * * *");
  clock.advance(minutes(60));
  EXPECT_EQ(fire(), 1);
  clock.advance(minutes(60));
  EXPECT_EQ(fire(), 0);
  EXPECT_EQ(get(made).lastSkippedReason, "The job of the run before had not ended.");
  finishAll();
  clock.advance(minutes(60));
  EXPECT_EQ(fire(), 1);
}

TEST_F(SchedulesTest, LeavesOutARunThatTheQueueHasNoRoomFor) {
  const Schedule made = create("0 * * * *");
  for (int i = 0; i < 3; ++i) add();
  clock.advance(minutes(60));
  EXPECT_EQ(fire(), 0);
  EXPECT_TRUE(get(made).lastSkippedReason->starts_with("Your tenant has 3 jobs"));
}

TEST_F(SchedulesTest, OneThatCannotBeReadKeepsNobodyFromTheOthers) {
  const Schedule broken = create("0 * * * *", minutes(5), "a");
  const Schedule sound = create("0 * * * *", minutes(5), "b");
  write<void>([&](store::Transaction& tx) {
    return tx.execute(
        "UPDATE job_schedules SET cron = 'of another version', next_run_at = "
        "next_run_at - 1 WHERE id = ?",
        broken.id);
  });
  clock.advance(minutes(60));
  EXPECT_EQ(fire(), 1);
  EXPECT_TRUE(get(sound).lastJobId.has_value());
  EXPECT_TRUE(get(broken).paused);
  EXPECT_TRUE(get(broken).lastSkippedReason->starts_with("/cron: must have five fields"));
}

TEST_F(SchedulesTest, MakesNothingWhilePaused) {
  const Schedule made = create("0 * * * *");
  mustBe(schedules.change("acme", made.id, {.paused = true}, kSoon));
  clock.advance(minutes(120));
  EXPECT_EQ(fire(), 0);
  // What was missed meanwhile is not made up for.
  mustBe(schedules.change("acme", made.id, {.paused = false}, kSoon));
  EXPECT_EQ(fire(), 0);
  clock.advance(minutes(60));
  EXPECT_EQ(fire(), 1);
}

TEST_F(SchedulesTest, RefusesKindsThatHaveAPathOfTheirOwn) {
  const auto refused =
      schedules.create("acme", {.name = "x", .kind = "of-a-route", .cron = "@daily"}, "ann", kSoon);
  EXPECT_EQ(codeOf(refused), ErrorCode::invalidArgument);
  EXPECT_EQ(refused.error().message, "/kind: must be one of: work; got \"of-a-route\"");
}

TEST_F(SchedulesTest, RefusesANameThatIsTaken) {
  create("@daily");
  EXPECT_EQ(codeOf(schedules.create("acme", {.name = "nightly", .kind = "work", .cron = "@daily"},
                                    "ann", kSoon)),
            ErrorCode::alreadyExists);
}

TEST_F(SchedulesTest, HidesSchedulesOfOtherTenants) {
  const Schedule made = create("@daily");
  EXPECT_EQ(codeOf(schedules.get("other", made.id, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(schedules.remove("other", made.id, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(schedules.change("other", made.id, {}, kSoon)), ErrorCode::notFound);
  EXPECT_TRUE(mustBe(schedules.list("other", kSoon)).empty());
}

TEST_F(SchedulesTest, IsGoneWhenItIsRemoved) {
  const Schedule made = create("* * * * *");
  EXPECT_TRUE(schedules.remove("acme", made.id, kSoon));
  clock.advance(minutes(5));
  EXPECT_EQ(fire(), 0);
}

// Clock steps of any size forward, looked at by several replicas.
TEST_F(SchedulesTest, RunsEachTimeAtMostOnceInAnySchedule) {
  const Schedules other{{*database, queue, kinds, ids}};
  create("*/7 * * * * *", seconds(20));
  std::mt19937 random(11);
  std::set<Timestamp> seen;
  for (int step = 0; step < 150; ++step) {
    clock.advance(std::chrono::milliseconds(random() % 30'000));
    const int first = fire();
    const int second = mustBe(other.fireDue(kSoon));
    EXPECT_LE(first + second, 1);
    for (const Job& job : jobs()) {
      if (!hasEnded(job.status)) {
        EXPECT_TRUE(seen.insert(*job.scheduledFor).second);
      }
    }
    finishAll();
  }
  EXPECT_GT(seen.size(), 50U);
}

}  // namespace
}  // namespace corbel::jobs
