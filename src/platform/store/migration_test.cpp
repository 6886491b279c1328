#include "store/migration.h"

#include <gtest/gtest.h>

#include <array>

#include "store_fixture.h"

namespace corbel::store {
namespace {

constexpr Migration kModels{
    1, "models", "CREATE TABLE models (id TEXT NOT NULL); CREATE INDEX by_id ON models (id);",
    "DROP TABLE models"};
constexpr Migration kKeys{2, "keys", "CREATE TABLE keys (id TEXT NOT NULL)", "DROP TABLE keys"};
constexpr Migration kRuns{3, "runs", "CREATE TABLE runs (id TEXT NOT NULL)", "DROP TABLE runs"};

class Migrations : public testing::Test {
 protected:
  Result<std::vector<int>> up(std::vector<Migration> migrations) {
    return migrateUp(*database, migrations, clock);
  }
  Result<std::vector<int>> down(std::vector<Migration> migrations, int version) {
    return migrateDown(*database, migrations, version);
  }
  std::vector<std::string> tables() {
    return database
        ->read(
            [](Reader& reader) {
              return reader
                  .query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
                  .all([](const Row& row) { return row.string(0); });
            },
            Deadline::never())
        .value();
  }

  TemporaryFolder folder;
  ManualClock clock;
  SystemClock systemClock;
  std::unique_ptr<Database> database = openDatabase({.dataFolder = folder.path()}, systemClock);
};

using Names = std::vector<std::string>;
using Versions = std::vector<int>;

TEST_F(Migrations, OfANewDatabaseAreNone) { EXPECT_TRUE(appliedMigrations(*database)->empty()); }

TEST_F(Migrations, AreAppliedOnceInTheOrderOfTheirNumbers) {
  EXPECT_EQ(up({kKeys, kModels}), (Versions{1, 2}));
  EXPECT_EQ(up({kKeys, kModels}), Versions{});
  EXPECT_EQ(tables(), (Names{"keys", "models", "schema_migrations"}));
  const auto applied = appliedMigrations(*database).value();
  EXPECT_EQ(applied[1].name, "keys");
  EXPECT_EQ(applied[1].appliedAt, clock.now());
  EXPECT_EQ(applied[1].checksum.size(), 64u);
}

TEST_F(Migrations, OfALowerNumberThatCameLaterAreAppliedToo) {
  ASSERT_TRUE(up({kModels, kRuns}));
  EXPECT_EQ(up({kModels, kKeys, kRuns}), Versions{2});
}

TEST_F(Migrations, AreTakenBackFromTheNewestDown) {
  ASSERT_TRUE(up({kModels, kKeys, kRuns}));
  EXPECT_EQ(down({kModels, kKeys, kRuns}, 1), (Versions{3, 2}));
  EXPECT_EQ(tables(), (Names{"models", "schema_migrations"}));
  EXPECT_EQ(up({kModels, kKeys, kRuns}), (Versions{2, 3}));
}

TEST_F(Migrations, ThatFailAreUndoneWhollyAndKeepThoseBefore) {
  const Migration broken{2, "broken", "CREATE TABLE half (id TEXT); CREATE TABLE models (id TEXT)",
                         "DROP TABLE half"};
  const auto outcome = up({kModels, broken, kRuns});
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(outcome.error().message.starts_with("migration 2 'broken' failed: "))
      << outcome.error().message;
  EXPECT_EQ(tables(), (Names{"models", "schema_migrations"}));
  EXPECT_EQ(up({kModels, kKeys}), Versions{2});
}

TEST_F(Migrations, ChangedAfterTheyWereAppliedAreRefused) {
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

TEST_F(Migrations, OfANewerProgramMakeAnOlderOneRefuse) {
  ASSERT_TRUE(up({kModels, kKeys}));
  const auto outcome = up({kModels});
  EXPECT_EQ(outcome.error().code, ErrorCode::failedPrecondition);
  EXPECT_TRUE(outcome.error().message.starts_with(
      "the database was made by a newer Corbel: migration 2 'keys'"));
  EXPECT_FALSE(down({kModels}, 0));
}

TEST_F(Migrations, WithTheSameNumberOrWithoutAWayBackAreRefused) {
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
