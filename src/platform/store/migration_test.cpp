#include "store/migration.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "store_fixture.h"

namespace corbel::store {
namespace {

constexpr Migration kModels{
    1, "models", "CREATE TABLE models (id TEXT NOT NULL); CREATE INDEX by_id ON models (id);",
    "DROP TABLE models"};
constexpr Migration kKeys{2, "keys", "CREATE TABLE keys (id TEXT NOT NULL)", "DROP TABLE keys"};
constexpr Migration kRuns{3, "runs", "CREATE TABLE runs (id TEXT NOT NULL)", "DROP TABLE runs"};

class Migrations : public ContractTest {
 protected:
  Migrations() { reopen(); }
  Result<std::vector<int>> up(std::vector<Migration> migrations) {
    return migrateUp(*database, migrations, clockOfTests);
  }
  Result<std::vector<int>> down(std::vector<Migration> migrations, int version) {
    return migrateDown(*database, migrations, version);
  }
  ManualClock clockOfTests;
  std::vector<std::string> tables() {
    return database
        ->read(
            [](Reader& reader) {
              return reader
                  .query({"SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
                          "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
                          "ORDER BY 1"})
                  .all([](const Row& row) { return row.string(0); });
            },
            Deadline::never())
        .value();
  }
};

ON_EVERY_DATABASE(Migrations);

using Names = std::vector<std::string>;
using Versions = std::vector<int>;

TEST_P(Migrations, OfANewDatabaseAreNone) { EXPECT_TRUE(appliedMigrations(*database)->empty()); }

TEST_P(Migrations, AreAppliedOnceInTheOrderOfTheirNumbers) {
  EXPECT_EQ(up({kKeys, kModels}), (Versions{1, 2}));
  EXPECT_EQ(up({kKeys, kModels}), Versions{});
  EXPECT_EQ(tables(), (Names{"keys", "models", "schema_migrations"}));
  const auto applied = appliedMigrations(*database).value();
  EXPECT_EQ(applied[1].name, "keys");
  EXPECT_EQ(applied[1].appliedAt, clockOfTests.now());
  EXPECT_EQ(applied[1].checksum.size(), 64u);
}

TEST_P(Migrations, OfALowerNumberThatCameLaterAreAppliedToo) {
  ASSERT_TRUE(up({kModels, kRuns}));
  EXPECT_EQ(up({kModels, kKeys, kRuns}), Versions{2});
}

TEST_P(Migrations, AreTakenBackFromTheNewestDown) {
  ASSERT_TRUE(up({kModels, kKeys, kRuns}));
  EXPECT_EQ(down({kModels, kKeys, kRuns}, 1), (Versions{3, 2}));
  EXPECT_EQ(tables(), (Names{"models", "schema_migrations"}));
  EXPECT_EQ(up({kModels, kKeys, kRuns}), (Versions{2, 3}));
}

TEST_P(Migrations, ThatFailAreUndoneWhollyAndKeepThoseBefore) {
  const Migration broken{2, "broken", "CREATE TABLE half (id TEXT); CREATE TABLE models (id TEXT)",
                         "DROP TABLE half"};
  const auto outcome = up({kModels, broken, kRuns});
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(outcome.error().message.starts_with("migration 2 'broken' failed: "))
      << outcome.error().message;
  EXPECT_EQ(tables(), (Names{"models", "schema_migrations"}));
  EXPECT_EQ(up({kModels, kKeys}), Versions{2});
}

TEST_P(Migrations, ChangedAfterTheyWereAppliedAreRefused) {
  ASSERT_TRUE(up({kModels}));
  Migration changed = kModels;
  changed.up = "CREATE TABLE models (id TEXT)";
  const auto outcome = up({changed, kKeys});
  EXPECT_EQ(outcome.error().code, ErrorCode::failedPrecondition);
  EXPECT_EQ(
      outcome.error().message,
      "migration 1 'models' was changed after it had been applied: add a new migration instead");
  EXPECT_EQ(tables(), (Names{"models", "schema_migrations"}));
}

TEST_P(Migrations, OfANewerProgramMakeAnOlderOneRefuse) {
  ASSERT_TRUE(up({kModels, kKeys}));
  const auto outcome = up({kModels});
  EXPECT_EQ(outcome.error().code, ErrorCode::failedPrecondition);
  EXPECT_TRUE(outcome.error().message.starts_with(
      "the database was made by a newer Corbel: migration 2 'keys'"));
  EXPECT_FALSE(down({kModels}, 0));
}

TEST_P(Migrations, SortTextByItsBytes) {
  const Migration words{1, "words", "CREATE TABLE words (word TEXT NOT NULL PRIMARY KEY)",
                        "DROP TABLE words"};
  ASSERT_TRUE(up({words}));
  const auto sorted = database->write(
      [](Transaction& tx) -> Result<std::vector<std::string>> {
        CORBEL_CHECK(tx.execute("INSERT INTO words VALUES ('b'), ('a'), ('B'), ('ä'), ('_')"));
        return tx.query("SELECT word FROM words ORDER BY word").all([](const Row& row) {
          return row.string(0);
        });
      },
      Deadline::never());
  EXPECT_EQ(sorted, (Names{"B", "_", "a", "b", "ä"}));
}

TEST_P(Migrations, MayReplaceATableThatOthersReferTo) {
  const Migration parents{1, "parents",
                          "CREATE TABLE parents (id BIGINT NOT NULL PRIMARY KEY); "
                          "CREATE TABLE children (parent BIGINT NOT NULL REFERENCES parents (id) "
                          "ON DELETE CASCADE)",
                          "DROP TABLE children; DROP TABLE parents"};
  ASSERT_TRUE(up({parents}));
  ASSERT_TRUE(database->write(
      [](Transaction& tx) -> Result<void> {
        CORBEL_CHECK(tx.execute("INSERT INTO parents VALUES (7)"));
        return tx.execute("INSERT INTO children VALUES (7)");
      },
      Deadline::never()));
  Migration rebuilt{2, "more", "ALTER TABLE parents ADD COLUMN name TEXT NOT NULL DEFAULT ''",
                    "ALTER TABLE parents DROP COLUMN name", true};
  if (GetParam() == Backend::sqlite) {
    rebuilt.up =
        "CREATE TABLE fresh (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL DEFAULT ''); "
        "INSERT INTO fresh (id) SELECT id FROM parents; DROP TABLE parents; "
        "ALTER TABLE fresh RENAME TO parents";
  }
  ASSERT_EQ(up({parents, rebuilt}), Versions{2});
  const auto children = database->read(
      [](Reader& reader) {
        return reader.query("SELECT parent FROM children").all([](const Row& row) {
          return row.integer(0);
        });
      },
      Deadline::never());
  EXPECT_EQ(children, std::vector<std::int64_t>{7});
  const auto orphan =
      database->write([](Transaction& tx) { return tx.execute("INSERT INTO children VALUES (8)"); },
                      Deadline::never());
  EXPECT_EQ(orphan.error().code, ErrorCode::failedPrecondition);
}

TEST_P(Migrations, RunByOneAtATime) {
  auto lock = database->openMigrationLock();
  ASSERT_TRUE(lock);
  auto second = std::async(std::launch::async, [&] { return up({kModels, kKeys}); });
  if (GetParam() == Backend::postgres)
    EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  lock->reset();
  EXPECT_EQ(second.get(), (Versions{1, 2}));
}

TEST_P(Migrations, WithTheSameNumberOrWithoutAWayBackAreRefused) {
  Migration same = kKeys;
  same.version = 1;
  Migration oneWay = kKeys;
  oneWay.down = "";
  for (const auto& list : {std::vector{kModels, same}, std::vector{kModels, oneWay}}) {
    EXPECT_EQ(up(list).error().code, ErrorCode::unprocessable);
  }
  EXPECT_EQ(tables(), Names{});
}

}  // namespace
}  // namespace corbel::store
