#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "faulty_disk.h"
#include "store_fixture.h"

namespace corbel::store {
namespace {

class DiskFault : public testing::Test {
 protected:
  DiskFault() {
    EXPECT_TRUE(createNotes(*database));
    EXPECT_TRUE(insertNote(*database, 1, "before"));
  }

  FaultyDisk disk;
  TemporaryFolder folder;
  SystemClock clock;
  std::unique_ptr<Database> database = openDatabase({.dataFolder = folder.path()}, clock);
};

TEST_F(DiskFault, OfAFullDiskIsAnsweredAndHealsByItself) {
  disk.failWith(FaultyDisk::Fault::full);
  EXPECT_EQ(insertNote(*database, 2, "no room").error().code, ErrorCode::insufficientStorage);
  EXPECT_EQ(database->state(), StoreState::full);
  EXPECT_EQ(countNotes(*database), 1);

  disk.failWith(FaultyDisk::Fault::none);
  EXPECT_TRUE(insertNote(*database, 2, "after"));
  EXPECT_EQ(database->state(), StoreState::ok);
  database.reset();
  database = openDatabase({.dataFolder = folder.path()}, clock);
  EXPECT_EQ(countNotes(*database), 2);
}

// After a failed fsync the kernel may have dropped the pages: trying again would "succeed" without
// them.
TEST_F(DiskFault, OfAnFsyncStopsAllWritesForGoodWhileReadsGoOn) {
  disk.failWith(FaultyDisk::Fault::sync);
  EXPECT_EQ(insertNote(*database, 2, "in doubt").error().code, ErrorCode::internal);
  EXPECT_FALSE(database->healthy());

  disk.failWith(FaultyDisk::Fault::none);
  EXPECT_EQ(insertNote(*database, 3, "refused").error().code, ErrorCode::unavailable);
  EXPECT_EQ(countNotes(*database), 1);
}

// Runs `works` in a child whose files cannot become longer than 200 kB: the limit is a whole
// process's.
bool worksWithSmallFiles(const std::function<bool()>& works) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 200'000, .rlim_max = 200'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(works() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status == 0;
}

TEST_F(DiskFault, OfAFileSizeLimitCountsAsAFullDisk) {
  database.reset();
  EXPECT_TRUE(worksWithSmallFiles([&] {
    database = openDatabase({.dataFolder = folder.path()}, clock);
    const auto outcome = insertNote(*database, 2, std::string(300'000, 'x'));
    const bool refused = !outcome && outcome.error().code == ErrorCode::insufficientStorage;
    return refused && insertNote(*database, 2, "small") && database->healthy();
  }));
}

TEST_F(DiskFault, OfALogThatFilledTheDiskIsHealedByACheckpoint) {
  database.reset();
  EXPECT_TRUE(worksWithSmallFiles([&] {
    database = openDatabase({.dataFolder = folder.path()}, clock);
    int failuresInARow = 0;
    for (int i = 0; i < 100 && failuresInARow < 2; ++i) {
      const auto outcome = database->write(
          [&](Transaction& tx) {
            return tx.execute("UPDATE notes SET body = ?",
                              std::string(10'000, 'x') + std::to_string(i));
          },
          Deadline::never());
      failuresInARow = outcome ? 0 : failuresInARow + 1;
    }
    return failuresInARow < 2;
  }));
}

TEST_F(DiskFault, OfAWriteStopsAllWrites) {
  disk.failWith(FaultyDisk::Fault::write);
  EXPECT_FALSE(insertNote(*database, 2, "in doubt"));
  EXPECT_FALSE(database->healthy());
}

TEST_F(DiskFault, LosesNothingThatWasAcknowledgedBefore) {
  disk.failWith(FaultyDisk::Fault::sync);
  EXPECT_FALSE(insertNote(*database, 2, "in doubt"));
  database.reset();
  disk.failWith(FaultyDisk::Fault::none);
  database = openDatabase({.dataFolder = folder.path()}, clock);
  EXPECT_TRUE(database->healthy());
  EXPECT_TRUE(database->checkIntegrity(Deadline::never()));
  EXPECT_GE(countNotes(*database), 1);
  EXPECT_TRUE(insertNote(*database, 3, "goes on"));
}

}  // namespace
}  // namespace corbel::store
