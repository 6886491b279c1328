#include "jobs/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "jobs/attempt.h"
#include "jobs_fixture.h"

namespace corbel::jobs {
namespace {

using std::chrono::milliseconds;

class WorkersTest : public JobsTest {
 protected:
  std::unique_ptr<Workers> start(WorkerOptions options = {}) {
    options.round = milliseconds(5);
    auto workers = std::make_unique<Workers>(
        Workers::Parts{*database, queue, kinds, schedules, &outbox, ids, random, clock, metrics,
                       [this](store::Transaction&, const JobFile& file) -> Result<void> {
                         if (keepsFiles) return fail(ErrorCode::unavailable, "not now");
                         forgotten.push_back(file.name);
                         return {};
                       },
                       [this](Deadline) -> Result<void> {
                         ++cleanings;
                         return {};
                       },
                       [this] {
                         ++askedForLeave;
                         return mayBegin.load();
                       }},
        options);
    queue.onWork([raw = workers.get()] { raw->wake(); });
    return workers;
  }
  // Until the job is in that state; the test's own limit of time is the bound.
  Job await(const Job& job, Status status) {
    for (;;) {
      Job now = get(job);
      if (now.status == status) return now;
      std::this_thread::yield();
    }
  }
  static Result<std::string> untilStopped(Context& context) {
    std::promise<void> stopped;
    const std::stop_callback onStop(context.stop(), [&] { stopped.set_value(); });
    stopped.get_future().wait();
    return fail(ErrorCode::aborted, "stopped");
  }

  metrics::Metrics metrics;
  std::vector<std::string> forgotten;
  std::atomic<bool> mayBegin = true;
  std::atomic<int> askedForLeave = 0;
  bool keepsFiles = false;
  int cleanings = 0;
};

TEST_F(WorkersTest, RunAJobAndKeepItsResultLogAndFiles) {
  work = [](Context& context) -> Result<std::string> {
    context.progress(0.5, "half", "on the way");
    context.log("a line\nwith a break");
    context.attach(
        {.name = "output", .sha256 = "abc", .sizeBytes = 3, .contentType = "text/plain"});
    return R"({"answer":42})";
  };
  const Job job = add();
  const auto workers = start();
  const Job done = await(job, Status::succeeded);
  EXPECT_EQ(done.result, R"({"answer":42})");
  EXPECT_EQ(done.progress, 1);
  EXPECT_EQ(done.stage, "half");
  EXPECT_EQ(done.attempts, 1);
  ASSERT_EQ(done.files.size(), 1U);
  EXPECT_EQ(done.files[0].sha256, "abc");
  const auto log = mustBe(queue.log("acme", job.id, 0, kSoon));
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log[0].text, "a line with a break");
  EXPECT_EQ(mustBe(outbox.pending(kSoon)).rows, 1);
}

TEST_F(WorkersTest, EndAJobAtOnceThatAnotherAttemptWouldNotHelp) {
  work = [](Context&) -> Result<std::string> {
    return fail(ErrorCode::unprocessable, "The file is no table.");
  };
  const Job job = add();
  const auto workers = start();
  const Job done = await(job, Status::failed);
  EXPECT_EQ(done.errorCode, "unprocessable");
  EXPECT_EQ(done.errorMessage, "The file is no table.");
  EXPECT_EQ(done.attempts, 1);
}

TEST_F(WorkersTest, EndAJobWhoseAnswerTheStoreNeverTakes) {
  kinds.add({.name = "work",
             .doc = "",
             .attemptsMax = 1,
             .check = {},
             .run = [](Context&) -> Result<std::string> {
               return fail(ErrorCode::unprocessable, "no text: \xff");
             }});
  const Job job = add();
  const auto workers = start();
  EXPECT_EQ(await(job, Status::failed).errorCode, "internal");
}

TEST_F(WorkersTest, TryAgainWhatMayPass) {
  std::atomic<int> attempts = 0;
  work = [&](Context&) -> Result<std::string> {
    if (++attempts == 1) throw std::bad_alloc();
    return "{}";
  };
  const Job job = add();
  const auto workers = start();
  while (get(job).attempts == 0 || get(job).status == Status::running) std::this_thread::yield();
  clock.advance(std::chrono::minutes(10));
  await(job, Status::succeeded);
  EXPECT_EQ(get(job).attempts, 2);
}

TEST_F(WorkersTest, BeginNothingUntilTheyMay) {
  mayBegin = false;
  const Job job = add();
  const auto workers = start();
  const int before = askedForLeave;
  while (askedForLeave < before + 3) std::this_thread::yield();
  EXPECT_EQ(get(job).status, Status::queued);
  mayBegin = true;
  await(job, Status::succeeded);
}

TEST_F(WorkersTest, StopAJobThatIsCancelled) {
  work = untilStopped;
  const Job job = add();
  const auto workers = start();
  await(job, Status::running);
  mustBe(queue.cancel("acme", job.id, kSoon));
  await(job, Status::cancelled);
}

TEST_F(WorkersTest, DoNotBeginAgainWhatWasCancelledBeforeItFailed) {
  work = [this](Context& context) -> Result<std::string> {
    EXPECT_TRUE(database->write(
        [&](store::Transaction& tx) {
          return tx.execute("UPDATE jobs SET cancel_requested = ? WHERE id = ?", true,
                            context.job().id);
        },
        kSoon));
    return fail(ErrorCode::unavailable, "not now");
  };
  const Job job = add();
  const auto workers = start();
  while (get(job).attempts == 0 || get(job).status == Status::running) std::this_thread::yield();
  EXPECT_EQ(get(job).status, Status::cancelled);
}

TEST_F(WorkersTest, BeginOtherJobsWhileALostOneCannotBeTakenBack) {
  const events::Outbox full{{*database, ids, clock}, "/corbel", {"fake"}, {.rows = 0}};
  const Job lost = add();
  ASSERT_TRUE(database->write(
      [&](store::Transaction& tx) {
        return tx.execute(
            "UPDATE jobs SET status = 'running', lease_token = 'gone', lease_until = "
            "?, attempts = attempts_max WHERE id = ?",
            clock.now() - std::chrono::hours(1), lost.id);
      },
      kSoon));
  const Job other = add();
  std::promise<void> begun;
  work = [&](Context&) -> Result<std::string> {
    begun.set_value();
    return fail(ErrorCode::unavailable, "not now");
  };
  Workers workers({*database, queue, kinds, schedules, &full, ids, random, clock, metrics},
                  {.round = milliseconds(5)});
  begun.get_future().wait();
  EXPECT_EQ(get(lost).status, Status::running) << "its end cannot be told";
}

TEST(PendingLines, AreKeptUntilTheyAreWritten) {
  PendingLines pending;
  for (int i = 0; i < kLogLines; ++i) pending.add({.text = std::to_string(i)});
  const PendingLines written = pending;
  for (int i = 0; i < 3; ++i) pending.add({.text = "later"});
  pending.written(written.added());
  ASSERT_EQ(pending.lines().size(), 3u);
  EXPECT_EQ(pending.lines().front().text, "later");
  pending.written(pending.added());
  EXPECT_TRUE(pending.lines().empty());
}

TEST_F(WorkersTest, StopAJobThatIsOutOfTime) {
  kinds.add({.name = "work",
             .doc = "",
             .attemptsMax = 1,
             .deadline = milliseconds(1),
             .check = {},
             .run = untilStopped});
  const Job job = add();
  const auto workers = start();
  EXPECT_EQ(await(job, Status::failed).errorCode, "deadline_exceeded");
}

TEST_F(WorkersTest, GiveBackWhatRunsWhenTheProcessEnds) {
  work = untilStopped;
  const Job job = add();
  auto workers = start();
  await(job, Status::running);
  EXPECT_TRUE(workers->stop(Deadline::never()));
  const Job given = get(job);
  EXPECT_EQ(given.status, Status::queued);
  EXPECT_EQ(given.attempts, 0);
}

TEST_F(WorkersTest, RunAtMostAsManyJobsAsTheyHaveThreads) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  work = [&](Context&) -> Result<std::string> {
    most = std::max(most.load(), ++running);
    std::this_thread::yield();
    --running;
    return "{}";
  };
  std::vector<Job> jobs;
  for (const char* tenant : {"a", "b", "c", "d", "e"}) jobs.push_back(add(tenant));
  const auto workers = start({.threads = 2});
  for (const Job& job : jobs) await(job, Status::succeeded);
  EXPECT_LE(most, 2);
}

TEST_F(WorkersTest, ForgetOldJobsWithTheirFiles) {
  work = [](Context& context) -> Result<std::string> {
    context.attach(
        {.name = "output", .sha256 = "abc", .sizeBytes = 3, .contentType = "text/plain"});
    return "{}";
  };
  const Job job = add();
  auto workers = start({.keep = std::chrono::hours(1)});
  await(job, Status::succeeded);
  workers.reset();
  EXPECT_TRUE(forgotten.empty());
  clock.advance(std::chrono::hours(2));
  keepsFiles = true;
  workers = start({.keep = std::chrono::hours(1)});
  EXPECT_TRUE(workers->stop(Deadline::never()));
  workers.reset();
  EXPECT_EQ(get(job).status, Status::succeeded) << "its files could not be let go";
  keepsFiles = false;
  cleanings = 0;
  workers = start({.keep = std::chrono::hours(1)});
  EXPECT_TRUE(workers->stop(Deadline::never()));
  EXPECT_EQ(cleanings, 1);
  EXPECT_EQ(codeOf(queue.get("acme", job.id, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(forgotten, std::vector<std::string>{"output"});
}

}  // namespace
}  // namespace corbel::jobs
