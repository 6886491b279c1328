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

using Rows = StoreTest;

TEST_F(Rows, GiveBackEveryTypeThatWasBound) {
  const std::array<std::byte, 3> blob{std::byte{0}, std::byte{255}, std::byte{7}};
  const Timestamp time(milliseconds(1767225600123));
  const std::optional<std::string> nothing;
  const auto matches = database->read(
      [&](Reader& reader) {
        return reader
            .query("SELECT ?, ?, ?, ?, ?, ?, ?, ?", -7, 2.5, "ä", blob, true, time, nothing,
                   Bytes())
            .one([&](const Row& row) {
              return row.integer<int>(0) == -7 && row.real(1) == 2.5 && row.text(2) == "ä" &&
                     std::ranges::equal(row.bytes(3), blob) && row.boolean(4) &&
                     row.time(5) == time && row.isNull(6) && !row.optionalString(6) &&
                     row.bytes(7).empty() && !row.isNull(7);
            });
      },
      Deadline::never());
  ASSERT_TRUE(matches);
  EXPECT_EQ(*matches, true);
}

TEST_F(Rows, BindAnEmptyViewAsEmptyTextNotAsNull) {
  const auto isNull = database->read(
      [](Reader& reader) {
        return reader.query("SELECT ?", std::string_view()).one([](const Row& row) {
          return row.isNull(0);
        });
      },
      Deadline::never());
  ASSERT_TRUE(isNull);
  EXPECT_EQ(*isNull, false);
}

TEST_F(Rows, OfAnotherTypeThanAskedForFailTheQuery) {
  const auto read = [&](auto map) {
    return database->read(
        [&](Reader& reader) { return reader.query("SELECT 'x', NULL, 70000").one(map); },
        Deadline::never());
  };
  EXPECT_EQ(read([](const Row& row) { return row.integer(0); }).error().code, ErrorCode::internal);
  EXPECT_EQ(read([](const Row& row) { return row.string(1); }).error().code, ErrorCode::internal);
  EXPECT_EQ(read([](const Row& row) { return row.integer<std::int16_t>(2); }).error().code,
            ErrorCode::internal);
  EXPECT_EQ(read([](const Row& row) { return row.integer(3); }).error().code, ErrorCode::internal);
  EXPECT_TRUE(read([](const Row& row) { return row.optionalString(1); }));
}

static_assert(detail::countPlaceholders("SELECT '?', \"?\" /* ? */ -- ?\n WHERE a = ?") == 1);

TEST_F(Rows, AreMatchedByLikeLetterForLetter) {
  const auto matches = database->read(
      [](Reader& reader) {
        return reader.query("SELECT 'Prod' LIKE 'pro%', 'prod' LIKE 'pro%'")
            .one([](const Row& row) { return std::pair(row.boolean(0), row.boolean(1)); });
      },
      Deadline::never());
  ASSERT_TRUE(matches);
  EXPECT_EQ(*matches, std::pair(false, true));
}

using Reads = StoreTest;

TEST_F(Reads, SeeOneSnapshotFromTheirFirstQueryOn) {
  const auto seen = database->read(
      [&](Reader& reader) -> Result<std::pair<std::int64_t, std::int64_t>> {
        const auto count = [&] {
          return reader.query("SELECT count(*) FROM notes").one([](const Row& row) {
            return row.integer(0);
          });
        };
        CORBEL_TRY(const auto before, count());
        CORBEL_CHECK(insertNote(*database, 1, "written meanwhile"));
        CORBEL_TRY(const auto after, count());
        return std::pair(*before, *after);
      },
      Deadline::never());
  EXPECT_EQ(seen, std::pair(std::int64_t{0}, std::int64_t{0}));
  EXPECT_EQ(countNotes(*database), 1);
}

TEST_F(Reads, CannotWrite) {
  const auto wrote = database->read(
      [](Reader& reader) {
        return reader.query("INSERT INTO notes VALUES (1, 'x') RETURNING id").one([](const Row&) {
          return 0;
        });
      },
      Deadline::never());
  EXPECT_FALSE(wrote);
  EXPECT_EQ(countNotes(*database), 0);
  EXPECT_TRUE(database->healthy());
}

constexpr Sql<0> kEndless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

TEST_F(Reads, ThatRunAwayAreStoppedAtTheDeadline) {
  const auto outcome = database->read(
      [](Reader& reader) {
        return reader.query(kEndless).one([](const Row& row) { return row.integer(0); });
      },
      Deadline::after(clock, milliseconds(20)));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_EQ(countNotes(*database), 0);
}

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

using Writes = StoreTest;

TEST_F(Writes, TellHowManyRowsTheyChanged) {
  const auto changed = database->write(
      [](Transaction& tx) -> Result<std::int64_t> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        CORBEL_CHECK(insertNote(tx, 2, "b"));
        return tx.change("UPDATE notes SET body = body || ?", "!");
      },
      Deadline::never());
  EXPECT_EQ(changed, 2);
}

TEST_F(Writes, ThatThrowAreUndoneAndAnswered) {
  const auto outcome = database->write(
      [](Transaction& tx) -> Result<void> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        throw std::runtime_error("a library failed");
      },
      Deadline::never());
  EXPECT_EQ(outcome.error().code, ErrorCode::internal);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_F(Writes, NameATakenKeyAndAMissingParentWithoutShowingSql) {
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
  EXPECT_NE(taken.error().detail.find("notes.body"), std::string::npos);

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

TEST_F(Writes, WhoseDeadlineHasPassedAreNotBegun) {
  const auto outcome = database->write([](Transaction& tx) { return insertNote(tx, 1, "late"); },
                                       Deadline::at(clock.steady()));
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_EQ(countNotes(*database), 0);
}

TEST_F(Writes, FromTheWriterThreadItselfAreRefusedInsteadOfWaitingForever) {
  const auto outcome = database->write(
      [&](Transaction&) { return insertNote(*database, 1, "nested"); }, Deadline::never());
  EXPECT_EQ(outcome.error().code, ErrorCode::internal);
}

TEST_F(Writes, OnAFullDiskFailAloneAndGoOnWhenThereIsRoomAgain) {
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

TEST_F(Writes, LetTheLogBeReusedInsteadOfGrowingForEver) {
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
