#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <future>
#include <latch>
#include <string>
#include <utility>

#include "store_fixture.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

// Keeps the writer inside a unit, so that what is queued meanwhile becomes one group.
class HeldWriter {
 public:
  explicit HeldWriter(Database& database) {
    database.write({.apply = [this](Transaction&) -> Result<void> {
                      held_.count_down();
                      release_.wait();
                      return {};
                    },
                    .done = [this](Result<void>) { done_.count_down(); }});
    held_.wait();
  }
  ~HeldWriter() { done_.wait(); }
  void release() { release_.count_down(); }

 private:
  std::latch held_{1};
  std::latch release_{1};
  std::latch done_{1};
};

// Queues units and collects their outcomes.
class Outcomes {
 public:
  explicit Outcomes(std::ptrdiff_t expected) : pending_(expected) {}
  void write(Database& database, std::move_only_function<Result<void>(Transaction&)> apply,
             Deadline deadline = Deadline::never()) {
    const std::size_t place = outcomes_.size();
    outcomes_.emplace_back();
    database.write({.apply = std::move(apply),
                    .done =
                        [this, place](Result<void> outcome) {
                          outcomes_[place] = std::move(outcome);
                          pending_.count_down();
                        },
                    .deadline = deadline});
  }
  const std::deque<Result<void>>& wait() {
    pending_.wait();
    return outcomes_;
  }

 private:
  std::latch pending_;
  std::deque<Result<void>> outcomes_;
};

using GroupCommit = StoreTest;

TEST_F(GroupCommit, CommitsWhatIsQueuedTogetherInOrder) {
  const auto before = database->stats();
  HeldWriter held(*database);
  Outcomes outcomes(3);
  for (int i = 1; i <= 3; ++i) {
    outcomes.write(*database,
                   [i](Transaction& tx) { return insertNote(tx, i, std::to_string(i)); });
  }
  EXPECT_EQ(database->stats().queueDepth, 3u);
  held.release();
  for (const auto& outcome : outcomes.wait()) EXPECT_TRUE(outcome);
  EXPECT_EQ(database->stats().groups, before.groups + 2);
  EXPECT_EQ(database->stats().largestGroup, 3u);
}

TEST_F(GroupCommit, UndoesAFailingUnitAlone) {
  HeldWriter held(*database);
  Outcomes outcomes(3);
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 1, "first"); });
  outcomes.write(*database, [](Transaction& tx) -> Result<void> {
    CORBEL_CHECK(insertNote(tx, 2, "goes with the failure"));
    return insertNote(tx, 3, "first");
  });
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 4, "last"); });
  held.release();
  const auto& all = outcomes.wait();
  EXPECT_TRUE(all[0]);
  EXPECT_EQ(all[1].error().code, ErrorCode::alreadyExists);
  EXPECT_TRUE(all[2]);
  EXPECT_EQ(countNotes(*database), 2);
}

// SQLite ends the whole transaction when a statement that writes is interrupted.
TEST_F(GroupCommit, KeepsTheNeighboursOfAUnitThatRunsAway) {
  HeldWriter held(*database);
  Outcomes outcomes(3);
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 1, "before"); });
  outcomes.write(
      *database,
      [](Transaction& tx) {
        return tx.execute(
            "INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 9 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i, i FROM n");
      },
      Deadline::after(clock, milliseconds(50)));
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 2, "after"); });
  held.release();
  const auto& all = outcomes.wait();
  EXPECT_TRUE(all[0]);
  EXPECT_EQ(all[1].error().code, ErrorCode::deadlineExceeded);
  EXPECT_TRUE(all[2]);
  EXPECT_EQ(countNotes(*database), 2);
}

// A unit that ends its own savepoint: what it did cannot be undone alone any more.
TEST_F(GroupCommit, LeavesNothingOfAFailedUnitThatCannotBeUndoneAlone) {
  HeldWriter held(*database);
  Outcomes outcomes(3);
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 1, "before"); });
  outcomes.write(*database, [](Transaction& tx) -> Result<void> {
    CORBEL_CHECK(insertNote(tx, 9, "goes with the failure"));
    CORBEL_CHECK(tx.execute("RELEASE unit"));
    return fail(ErrorCode::aborted, "no");
  });
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 2, "after"); });
  held.release();
  const auto& all = outcomes.wait();
  EXPECT_TRUE(all[0]);
  EXPECT_EQ(all[1].error().code, ErrorCode::aborted);
  EXPECT_TRUE(all[2]);
  EXPECT_EQ(countNotes(*database), 2);
}

TEST_F(GroupCommit, LetsGoOfWhatTheUnitsHeldAsSoonAsTheyAreAnswered) {
  const auto gone = std::make_shared<std::promise<void>>();
  struct Held {
    std::shared_ptr<std::promise<void>> gone;
    ~Held() { gone->set_value(); }
  };
  database->write(
      {.apply = [held = std::make_shared<Held>(gone)](Transaction&) -> Result<void> { return {}; },
       .done = [](Result<void>) {}});
  EXPECT_EQ(gone->get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_F(GroupCommit, IsVisibleToReadersBeforeItIsAcknowledged) {
  std::promise<std::int64_t> seen;
  database->write({.apply = [](Transaction& tx) { return insertNote(tx, 1, "a"); },
                   .done = [&](Result<void>) { seen.set_value(countNotes(*database)); }});
  EXPECT_EQ(seen.get_future().get(), 1);
}

using Queue = StoreTest;

TEST_F(Queue, RefusesAtOnceWhenItIsFull) {
  database.reset();
  database = openDatabase({.dataFolder = folder.path(), .queueMax = 1}, clock);
  HeldWriter held(*database);
  Outcomes outcomes(2);
  const auto nothing = [](Transaction&) -> Result<void> { return {}; };
  outcomes.write(*database, nothing);
  outcomes.write(*database, nothing);
  held.release();
  EXPECT_TRUE(outcomes.wait()[0]);
  EXPECT_EQ(outcomes.wait()[1].error().code, ErrorCode::unavailable);
  EXPECT_EQ(database->stats().unitsRefused, 1u);
}

TEST_F(Queue, LetsGoOfAUnitThatWaitsTooLong) {
  HeldWriter held(*database);
  const auto outcome = database->write([](Transaction& tx) { return insertNote(tx, 1, "late"); },
                                       Deadline::after(clock, milliseconds(5)));
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_EQ(database->stats().queueDepth, 0u);
  held.release();
}

TEST_F(Queue, WaitsByTheClockThatItWasGiven) {
  database.reset();
  ManualClock manual;
  database = openDatabase({.dataFolder = folder.path()}, manual);
  HeldWriter held(*database);
  auto write = std::async(std::launch::async, [&] {
    return database->write([](Transaction& tx) { return insertNote(tx, 1, "in time"); },
                           Deadline::after(manual, milliseconds(20)));
  });
  // More than the 20 ms, which on the store's own clock have not begun.
  EXPECT_EQ(write.wait_for(milliseconds(60)), std::future_status::timeout);
  held.release();
  EXPECT_TRUE(write.get());
}

TEST_F(Queue, IsCommittedWhenTheStoreCloses) {
  Outcomes outcomes(2);
  {
    HeldWriter held(*database);
    outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 1, "a"); });
    outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 2, "b"); });
    held.release();
    database.reset();
  }
  for (const auto& outcome : outcomes.wait()) EXPECT_TRUE(outcome);
  database = openDatabase({.dataFolder = folder.path()}, clock);
  EXPECT_EQ(countNotes(*database), 2);
}

}  // namespace
}  // namespace corbel::store
