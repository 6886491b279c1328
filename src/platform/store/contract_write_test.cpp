// What every database promises to those who write, on each of them.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store_fixture.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

using Writes = NotesTest;
using GroupCommit = NotesTest;
using Queue = NotesTest;
using Transactions = NotesTest;
ON_EVERY_DATABASE(Writes);
ON_EVERY_DATABASE(GroupCommit);
ON_EVERY_DATABASE(Queue);
ON_EVERY_DATABASE(Transactions);

TEST_P(Writes, TellHowManyRowsTheyChanged) {
  const auto changed = database->write(
      [](Transaction& tx) -> Result<std::int64_t> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        CORBEL_CHECK(insertNote(tx, 2, "b"));
        return tx.change("UPDATE notes SET body = body || ?", "!");
      },
      Deadline::never());
  EXPECT_EQ(changed, 2);
}

TEST_P(Writes, ThatThrowAreUndoneAndAnswered) {
  const auto outcome = database->write(
      [](Transaction& tx) -> Result<void> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        throw std::runtime_error("a library failed");
      },
      Deadline::never());
  EXPECT_EQ(outcome.error().code, ErrorCode::internal);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_P(Writes, NameATakenKeyAndAMissingParentWithoutShowingSql) {
  ASSERT_TRUE(database->write(
      [](Transaction& tx) {
        return tx.execute(
            "CREATE TABLE replies (note BIGINT NOT NULL REFERENCES notes (id), stars INTEGER CHECK "
            "(stars < 6))");
      },
      Deadline::never()));
  ASSERT_TRUE(insertNote(*database, 1, "a"));
  const auto taken = insertNote(*database, 2, "a");
  EXPECT_EQ(taken.error().code, ErrorCode::alreadyExists);
  EXPECT_EQ(taken.error().message.find("notes"), std::string::npos);
  EXPECT_NE(taken.error().detail.find("notes"), std::string::npos);

  const auto reply = [&](int note, int stars) {
    return database->write(
        [&](Transaction& tx) {
          return tx.execute("INSERT INTO replies VALUES (?, ?)", note, stars);
        },
        Deadline::never());
  };
  EXPECT_EQ(reply(9, 1).error().code, ErrorCode::failedPrecondition);
  EXPECT_EQ(reply(1, 6).error().code, ErrorCode::failedPrecondition);
  EXPECT_TRUE(reply(1, 5));
}

TEST_P(Writes, WhoseDeadlineHasPassedAreNotBegun) {
  const auto outcome = database->write([](Transaction& tx) { return insertNote(tx, 1, "late"); },
                                       Deadline::at(clock.steady()));
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_P(Writes, FromTheWriterThreadItselfAreRefusedInsteadOfWaitingForever) {
  const auto outcome = database->write(
      [&](Transaction&) { return insertNote(*database, 1, "nested"); }, Deadline::never());
  EXPECT_EQ(outcome.error().code, ErrorCode::internal);
}

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
             Deadline deadline = Deadline::never(), UnitClass unitClass = UnitClass::durable) {
    const std::size_t place = outcomes_.size();
    outcomes_.emplace_back();
    database.write({.apply = std::move(apply),
                    .done =
                        [this, place](Result<void> outcome) {
                          outcomes_[place] = std::move(outcome);
                          pending_.count_down();
                        },
                    .deadline = deadline,
                    .unitClass = unitClass});
  }
  const std::deque<Result<void>>& wait() {
    pending_.wait();
    return outcomes_;
  }

 private:
  std::latch pending_;
  std::deque<Result<void>> outcomes_;
};

TEST_P(GroupCommit, CommitsWhatIsQueuedTogetherInOrder) {
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

TEST_P(GroupCommit, UndoesAFailingUnitAlone) {
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
TEST_P(GroupCommit, KeepsTheNeighboursOfAUnitThatRunsAway) {
  HeldWriter held(*database);
  Outcomes outcomes(3);
  outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 1, "before"); });
  outcomes.write(
      *database,
      [](Transaction& tx) {
        return tx.execute(
            "INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 9 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i, CAST(i AS TEXT) FROM n");
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

TEST_P(GroupCommit, LetsGoOfWhatTheUnitsHeldAsSoonAsTheyAreAnswered) {
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

TEST_P(GroupCommit, IsVisibleToReadersBeforeItIsAcknowledged) {
  std::promise<std::int64_t> seen;
  database->write({.apply = [](Transaction& tx) { return insertNote(tx, 1, "a"); },
                   .done = [&](Result<void>) { seen.set_value(countNotes(*database)); }});
  EXPECT_EQ(seen.get_future().get(), 1);
}

TEST_P(Queue, RefusesAtOnceWhenItIsFull) {
  reopen({.durableMax = 1});
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

TEST_P(Queue, LetsGoOfAUnitThatWaitsTooLong) {
  HeldWriter held(*database);
  const auto outcome = database->write([](Transaction& tx) { return insertNote(tx, 1, "late"); },
                                       Deadline::after(clock, milliseconds(5)));
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_EQ(database->stats().queueDepth, 0u);
  held.release();
}

TEST_P(Queue, WaitsByTheClockThatItWasGiven) {
  ManualClock manual;
  reopen({}, &manual);
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

TEST_P(Queue, IsCommittedWhenTheStoreCloses) {
  Outcomes outcomes(2);
  {
    HeldWriter held(*database);
    outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 1, "a"); });
    outcomes.write(*database, [](Transaction& tx) { return insertNote(tx, 2, "b"); });
    held.release();
    database.reset();
  }
  for (const auto& outcome : outcomes.wait()) EXPECT_TRUE(outcome);
  reopen();
  EXPECT_EQ(countNotes(*database), 2);
}

TEST_P(Queue, HasABoundOfItsOwnForWhatMayBeLost) {
  reopen({.bestEffortMax = 1});
  HeldWriter held(*database);
  Outcomes outcomes(3);
  const auto insert = [](int id) {
    return [id](Transaction& tx) { return insertNote(tx, id, std::to_string(id)); };
  };
  outcomes.write(*database, insert(1), Deadline::never(), UnitClass::bestEffort);
  outcomes.write(*database, insert(2), Deadline::never(), UnitClass::bestEffort);
  outcomes.write(*database, insert(3));
  held.release();
  const auto& all = outcomes.wait();
  EXPECT_TRUE(all[0]);
  EXPECT_EQ(all[1].error().code, ErrorCode::unavailable);
  EXPECT_TRUE(all[2]);
}

TEST_P(Transactions, InWhichAStatementFailedAreUndoneWhateverTheyReturn) {
  const auto outcome = database->write(
      [](Transaction& tx) -> Result<void> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        EXPECT_FALSE(insertNote(tx, 2, "a"));
        EXPECT_EQ(insertNote(tx, 3, "c").error().code, ErrorCode::alreadyExists);
        return {};
      },
      Deadline::never());
  EXPECT_EQ(outcome.error().code, ErrorCode::alreadyExists);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_P(Transactions, CallWhatWaitsForTheCommitAndForgetItWhenUndone) {
  std::string called;
  const auto unit = [&](std::string name, bool works) {
    return database->write(
        [&, name, works](Transaction& tx) -> Result<void> {
          tx.afterCommit([&called, name] { called += name; });
          CORBEL_CHECK(insertNote(tx, static_cast<std::int64_t>(name.size()), name));
          return works ? Result<void>() : fail(ErrorCode::aborted, "no");
        },
        Deadline::never());
  };
  EXPECT_TRUE(unit("a", true));
  EXPECT_FALSE(unit("bb", false));
  EXPECT_TRUE(unit("ccc", true));
  EXPECT_EQ(called, "accc");
}

TEST_P(Transactions, KnowTheTime) {
  const auto now = database->write([](Transaction& tx) { return tx.now(); }, Deadline::never());
  ASSERT_TRUE(now);
  EXPECT_LT(std::chrono::abs(*now - clock.now()), std::chrono::seconds(60));
}

TEST_P(Transactions, SeeWhatTheyWrote) {
  const auto seen = database->write(
      [](Transaction& tx) -> Result<std::int64_t> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        CORBEL_TRY(const auto count, tx.query("SELECT count(*) FROM notes").one([](const Row& row) {
          return row.integer(0);
        }));
        return count.value_or(0);
      },
      Deadline::never());
  EXPECT_EQ(seen, 1);
}

// Check, then act: the check must still hold at the commit.
TEST_P(Transactions, BesideEachOtherKeepALimitThatEachOfThemChecks) {
  reopen();
  constexpr int kMost = 5;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 3; ++i) {
          const std::int64_t id = thread * 10 + i + 1;
          const auto outcome = database->write(
              [&](Transaction& tx) -> Result<void> {
                CORBEL_TRY(const auto count,
                           tx.query("SELECT count(*) FROM notes").one([](const Row& row) {
                             return row.integer(0);
                           }));
                if (*count >= kMost) return fail(ErrorCode::resourceExhausted, "enough");
                return insertNote(tx, id, std::to_string(id));
              },
              Deadline::never());
          refused += outcome ? 0 : 1;
          if (!outcome) EXPECT_EQ(outcome.error().code, ErrorCode::resourceExhausted);
        }
      });
    }
  }
  EXPECT_EQ(countNotes(*database), kMost);
  EXPECT_EQ(refused, 24 - kMost);
}

}  // namespace
}  // namespace corbel::store
