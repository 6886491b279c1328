#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
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

// A child, because the limit of the file size is the whole process's.
TEST_F(DiskFault, OfAFileSizeLimitCountsAsAFullDisk) {
  database.reset();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 200'000, .rlim_max = 200'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    database = openDatabase({.dataFolder = folder.path()}, clock);
    const auto outcome = insertNote(*database, 2, std::string(300'000, 'x'));
    const bool refused = !outcome && outcome.error().code == ErrorCode::insufficientStorage;
    _exit(refused && insertNote(*database, 2, "small") && database->healthy() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
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
