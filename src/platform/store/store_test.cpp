#include "store/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <latch>
#include <thread>

#include "store_fixture.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

TEST(ReaderPool, GrowsToItsBoundAndThenMakesReadersWait) {
  TemporaryFolder folder;
  const SystemClock clock;
  const auto database = openDatabase({.dataFolder = folder.path(), .readersMax = 5}, clock);
  EXPECT_EQ(database->stats().readersOpen, 4u);

  std::latch inside(5);
  std::latch leave(1);
  std::vector<std::jthread> readers;
  for (int i = 0; i < 5; ++i) {
    readers.emplace_back([&] {
      std::ignore = database->read(
          [&](Reader&) -> Result<void> {
            inside.count_down();
            leave.wait();
            return {};
          },
          Deadline::never());
    });
  }
  inside.wait();
  const auto sixth = database->read([](Reader&) -> Result<void> { return {}; },
                                    Deadline::after(clock, milliseconds(5)));
  EXPECT_EQ(sixth.error().code, ErrorCode::deadlineExceeded);
  leave.count_down();
  EXPECT_TRUE(database->read([](Reader&) -> Result<void> { return {}; }, Deadline::never()));
  EXPECT_EQ(database->stats().readersOpen, 5u);
  EXPECT_GE(database->stats().readsThatWaited, 1u);
}

// What makes a ROLLBACK fail in every connection opened meanwhile.
class RefusedRollback {
 public:
  RefusedRollback() {
    sqlite3_initialize();
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(&watch));
  }
  ~RefusedRollback() { sqlite3_reset_auto_extension(); }
  RefusedRollback(const RefusedRollback&) = delete;
  RefusedRollback& operator=(const RefusedRollback&) = delete;

 private:
  static int watch(sqlite3* connection, const char**, const sqlite3_api_routines*) {
    const auto refuse = [](void*, int action, const char* word, const char*, const char*,
                           const char*) {
      const bool rollback = action == SQLITE_TRANSACTION && std::string_view(word) == "ROLLBACK";
      return rollback ? SQLITE_DENY : SQLITE_OK;
    };
    return sqlite3_set_authorizer(connection, refuse, nullptr);
  }
};

TEST(ReaderPool, DiscardsAConnectionWhoseSnapshotDoesNotEnd) {
  TemporaryFolder folder;
  const SystemClock clock;
  const RefusedRollback refused;
  const auto database = openDatabase({.dataFolder = folder.path()}, clock);
  ASSERT_TRUE(createNotes(*database));
  EXPECT_EQ(countNotes(*database), 0);
  EXPECT_EQ(database->stats().readersOpen, 3u);
  ASSERT_TRUE(insertNote(*database, 1, "a"));
  EXPECT_EQ(countNotes(*database), 1);
}

TEST(ReaderPool, WithoutADescriptorForAnotherConnectionIsBusyNotBroken) {
  TemporaryFolder folder;
  const SystemClock clock;
  const auto database = openDatabase({.dataFolder = folder.path()}, clock);
  const auto nothing = [](Reader&) -> Result<void> { return {}; };
  std::latch inside(4);
  std::latch leave(1);
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      std::ignore = database->read(
          [&](Reader&) -> Result<void> {
            inside.count_down();
            leave.wait();
            return {};
          },
          Deadline::never());
    });
  }
  inside.wait();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto fifth = database->read(nothing, Deadline::never());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  leave.count_down();
  EXPECT_EQ(fifth.error().code, ErrorCode::unavailable);
  EXPECT_TRUE(database->read(nothing, Deadline::never()));
}

using SqliteWrites = StoreTest;

TEST_F(SqliteWrites, OnAFullDiskFailAloneAndGoOnWhenThereIsRoomAgain) {
  database.reset();
  database = openDatabase({.dataFolder = folder.path(), .fileBytesMax = 256 * 1024}, clock);
  const std::string large(100'000, 'x');
  ASSERT_TRUE(insertNote(*database, 1, large));
  Result<void> outcome;
  for (int i = 2; i < 10 && outcome; ++i)
    outcome = insertNote(*database, i, large + std::to_string(i));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::insufficientStorage);
  EXPECT_EQ(database->state(), StoreState::full);
  EXPECT_GE(countNotes(*database), 1);

  EXPECT_TRUE(database->write([](Transaction& tx) { return tx.execute("DELETE FROM notes"); },
                              Deadline::never()));
  EXPECT_EQ(database->state(), StoreState::ok);
  EXPECT_TRUE(insertNote(*database, 1, large));
}

// A unit that ends its own savepoint: what it did cannot be undone alone any more.
TEST_F(SqliteWrites, LeaveNothingOfAUnitThatCannotBeUndoneAlone) {
  std::latch held(1);
  std::latch release(1);
  std::latch done(4);
  std::array<Result<void>, 4> outcomes;
  const auto queue = [&](std::size_t place, auto apply) {
    database->write({.apply = apply, .done = [&, place](Result<void> outcome) {
                       outcomes[place] = std::move(outcome);
                       done.count_down();
                     }});
  };
  queue(0, [&](Transaction&) -> Result<void> {
    held.count_down();
    release.wait();
    return {};
  });
  held.wait();
  queue(1, [](Transaction& tx) { return insertNote(tx, 1, "before"); });
  queue(2, [](Transaction& tx) -> Result<void> {
    CORBEL_CHECK(insertNote(tx, 9, "goes with the failure"));
    CORBEL_CHECK(tx.execute("RELEASE unit"));
    return fail(ErrorCode::aborted, "no");
  });
  queue(3, [](Transaction& tx) { return insertNote(tx, 2, "after"); });
  release.count_down();
  done.wait();
  EXPECT_TRUE(outcomes[1]);
  EXPECT_EQ(outcomes[2].error().code, ErrorCode::aborted);
  EXPECT_TRUE(outcomes[3]);
  EXPECT_EQ(countNotes(*database), 2);
}

TEST_F(SqliteWrites, LetTheLogBeReusedInsteadOfGrowingForEver) {
  const std::string body(500'000, 'x');
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(insertNote(*database, i, body + std::to_string(i)));
  EXPECT_LT(std::filesystem::file_size(folder.path() / "corbel.db-wal"), 16u * 1024 * 1024);
}

TEST_F(StoreTest, FindsNothingWrongWithAGoodFile) {
  ASSERT_TRUE(insertNote(*database, 1, "a"));
  EXPECT_TRUE(database->checkIntegrity(Deadline::never()));
}

TEST_F(StoreTest, StopsWritingOnceDamageIsFound) {
  ASSERT_TRUE(insertNote(*database, 1, std::string(100'000, 'x')));
  database.reset();
  {
    std::fstream file(folder.database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3 * 4096);
    file << std::string(std::filesystem::file_size(folder.database()) - 3 * 4096, '\x55');
  }
  database = openDatabase({.dataFolder = folder.path()}, clock);
  EXPECT_FALSE(database->checkIntegrity(Deadline::never()));
  EXPECT_FALSE(database->healthy());
  EXPECT_EQ(insertNote(*database, 2, "b").error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace corbel::store
