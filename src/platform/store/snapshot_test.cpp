#include "store/snapshot.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "store_fixture.h"

namespace corbel::store {
namespace {

class SnapshotTest : public StoreTest {
 protected:
  SnapshotTest() {
    static constexpr std::array kMigrations = {
        Migration{1, "more notes", "CREATE TABLE more (id INTEGER)", "DROP TABLE more"}};
    EXPECT_TRUE(migrateUp(*database, kMigrations, clock));
  }
  std::filesystem::path copy() const { return folder.path() / "copy.db"; }
  std::int64_t countIn(const std::filesystem::path& file) {
    const TemporaryFolder other;
    std::filesystem::copy_file(file, other.database());
    const auto opened = openDatabase({.dataFolder = other.path()}, clock);
    return countNotes(*opened);
  }
};

TEST_F(SnapshotTest, HasWhatWasAcknowledgedBefore) {
  ASSERT_TRUE(insertNote(*database, 1, "one"));
  const auto snapshot = copySqlite(folder.database(), copy(), clock);
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->migrations.size(), 1U);
  EXPECT_EQ(countIn(copy()), 1);
}

TEST_F(SnapshotTest, IsTakenWhileOthersWrite) {
  std::atomic<bool> stop = false;
  std::atomic<std::int64_t> written = 0;
  std::thread writer([&] {
    for (std::int64_t id = 1; !stop; ++id) {
      if (insertNote(*database, id, std::string(500, 'x') + std::to_string(id))) written = id;
    }
  });
  while (written < 200) std::this_thread::yield();
  const std::int64_t before = written;
  const auto snapshot = copySqlite(folder.database(), copy(), clock);
  stop = true;
  writer.join();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_GE(countIn(copy()), before);
  EXPECT_LE(countIn(copy()), written);
}

TEST_F(SnapshotTest, DoesNotReplaceAFile) {
  std::ofstream(copy()) << "mine";
  EXPECT_EQ(copySqlite(folder.database(), copy(), clock).error().code, ErrorCode::alreadyExists);
}

TEST_F(SnapshotTest, SaysThatThereIsNoDatabase) {
  EXPECT_EQ(copySqlite(folder.path() / "none.db", copy(), clock).error().code, ErrorCode::notFound);
}

TEST_F(SnapshotTest, FindsDamage) {
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(insertNote(*database, i, std::string(500, 'y') + std::to_string(i)));
  ASSERT_TRUE(copySqlite(folder.database(), copy(), clock));
  {
    std::fstream file(copy(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(std::streamoff{4096} * 5);
    file << std::string(4096, '\x7f');
  }
  EXPECT_EQ(inspectSqlite(copy()).error().code, ErrorCode::failedPrecondition);
}

}  // namespace
}  // namespace corbel::store
