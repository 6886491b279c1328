#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "store_fixture.h"

namespace corbel::store {
namespace {

class Opening : public testing::Test {
 protected:
  Error refusal(const std::filesystem::path& dataFolder) {
    auto opened = Database::open({.dataFolder = dataFolder}, clock);
    return opened ? Error{ErrorCode::internal, "it was opened", {}, {}} : opened.error();
  }

  TemporaryFolder folder;
  SystemClock clock;
};

mode_t modeOf(const std::filesystem::path& path) {
  struct stat about = {};
  stat(path.c_str(), &about);
  return about.st_mode & 0777;
}

TEST_F(Opening, MakesAPrivateFolderWithPrivateFiles) {
  const auto path = folder.path() / "state" / "corbel";
  const auto database = openDatabase({.dataFolder = path}, clock);
  ASSERT_TRUE(createNotes(*database));
  EXPECT_EQ(modeOf(path), 0700u);
  for (const char* file : {"corbel.db", "corbel.db-wal", "corbel.db-shm", "corbel.lock"}) {
    EXPECT_EQ(modeOf(path / file), 0600u) << file;
  }
}

TEST_F(Opening, FindsWhatWasWrittenBefore) {
  {
    const auto database = openDatabase({.dataFolder = folder.path()}, clock);
    ASSERT_TRUE(createNotes(*database));
    ASSERT_TRUE(insertNote(*database, 1, "kept"));
  }
  EXPECT_EQ(countNotes(*openDatabase({.dataFolder = folder.path()}, clock)), 1);
}

TEST_F(Opening, IsRefusedWhileAnotherProcessHasTheFolder) {
  const auto database = openDatabase({.dataFolder = folder.path()}, clock);
  const Error error = refusal(folder.path());
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_EQ(error.message, "data folder " + folder.path().string() +
                               " is in use by another process (pid " + std::to_string(getpid()) +
                               ")");
}

TEST_F(Opening, SaysThatAFolderCannotBeMade) {
  std::ofstream(folder.path() / "file") << "in the way";
  for (const char* under : {"file", "file/data", "file/deeper/data"}) {
    const Error error = refusal(folder.path() / under);
    EXPECT_EQ(error.code, ErrorCode::permissionDenied) << error.message;
    EXPECT_NE(error.message.find("cannot be created"), std::string::npos) << error.message;
  }
}

TEST_F(Opening, SaysThatAFolderIsReadOnly) {
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  const bool root = geteuid() == 0;
  if (root) ASSERT_EQ(seteuid(65534), 0);  // root may write everywhere
  const Error error = refusal(folder.path());
  if (root) ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(error.code, ErrorCode::permissionDenied) << error.message;
  EXPECT_NE(error.message.find("cannot be written: Permission denied"), std::string::npos)
      << error.message;
}

TEST_F(Opening, RefusesAFileThatIsNoDatabaseAndLeavesItAlone) {
  const std::string text(5'000, 'x');
  std::ofstream(folder.database()) << text;
  const Error error = refusal(folder.path());
  EXPECT_EQ(error.code, ErrorCode::failedPrecondition);
  EXPECT_NE(error.message.find("is damaged or is not a Corbel database"), std::string::npos)
      << error.message;
  EXPECT_EQ(std::filesystem::file_size(folder.database()), text.size());
}

TEST_F(Opening, RefusesADatabaseWhoseFirstPageIsDamaged) {
  {
    const auto database = openDatabase({.dataFolder = folder.path()}, clock);
    ASSERT_TRUE(createNotes(*database));
  }
  {
    std::fstream file(folder.database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);  // the b-tree header of the schema
    file << std::string(200, '\x55');
  }
  EXPECT_EQ(refusal(folder.path()).code, ErrorCode::failedPrecondition);
}

class AfterDamage : public Opening {
 protected:
  // Runs into it, as a process does that then ends.
  AfterDamage() {
    {
      const auto database = openDatabase({.dataFolder = folder.path()}, clock);
      EXPECT_TRUE(createNotes(*database));
      EXPECT_TRUE(insertNote(*database, 1, std::string(100'000, 'x')));
    }
    std::filesystem::copy_file(folder.database(), backup);
    {
      std::fstream file(folder.database(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(4096);  // the table: its first page is not read at the start
      file << std::string(4096, '\x55');
    }
    const auto database = openDatabase({.dataFolder = folder.path()}, clock);
    EXPECT_EQ(countNotes(*database), -1);
    EXPECT_FALSE(database->healthy());
  }

  std::filesystem::path backup = folder.path() / "backup";
};

TEST_F(AfterDamage, TheFileIsRefusedEveryTimeWithWhatToDo) {
  for (int i = 0; i < 2; ++i) {
    const Error error = refusal(folder.path());
    EXPECT_EQ(error.code, ErrorCode::failedPrecondition);
    EXPECT_NE(error.message.find("is damaged"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("restore a backup"), std::string::npos) << error.message;
  }
}

TEST_F(AfterDamage, ARestoredFileIsOpenedAndNotReadWholeAgain) {
  std::filesystem::copy_file(backup, folder.database(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(countNotes(*openDatabase({.dataFolder = folder.path()}, clock)), 1);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "corbel.db-doubt"));
}

TEST_F(Opening, RefusesTheDatabaseOfAnotherProgram) {
  {
    const auto database = openDatabase({.dataFolder = folder.path()}, clock);
    ASSERT_TRUE(createNotes(*database));
  }
  {
    std::fstream file(folder.database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(68);  // application_id
    file << std::string("\0\0\0\7", 4);
  }
  const Error error = refusal(folder.path());
  EXPECT_EQ(error.code, ErrorCode::failedPrecondition);
  EXPECT_NE(error.message.find("is not a Corbel database"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace corbel::store
