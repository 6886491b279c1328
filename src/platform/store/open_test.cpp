#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "faulty_disk.h"
#include "store_fixture.h"
#include "sync_spy.h"

namespace corbel::store {
namespace {

class Opening : public testing::Test {
 protected:
  Error refusal(const std::filesystem::path& dataFolder) {
    auto opened = openSqlite({.dataFolder = dataFolder}, clock);
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

std::string bytesOf(const std::filesystem::path& file) {
  std::ostringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

// Any program's database: a rollback journal, no application_id.
void makeForeignDatabase(const std::filesystem::path& file, const char* more = "") {
  sqlite3_initialize();
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &connection), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(connection, "CREATE TABLE theirs (id INTEGER)", nullptr, nullptr, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(connection, more, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_close(connection);
}

TEST_F(Opening, LeavesTheDatabaseOfAnotherProgramAsItIs) {
  makeForeignDatabase(folder.database());
  const std::string before = bytesOf(folder.database());
  EXPECT_NE(refusal(folder.path()).message.find("is not a Corbel database"), std::string::npos);
  EXPECT_EQ(bytesOf(folder.database()), before);
  EXPECT_FALSE(std::filesystem::exists(folder.database().string() + "-wal"));
}

TEST_F(Opening, LeavesTheLogOfAnotherProgramAsItIs) {
  makeForeignDatabase(folder.database(), "PRAGMA journal_mode=WAL; INSERT INTO theirs VALUES (1)");
  const auto log = folder.database().string() + "-wal";
  const std::string before = bytesOf(folder.database()) + bytesOf(log);
  ASSERT_FALSE(bytesOf(log).empty());
  EXPECT_EQ(refusal(folder.path()).code, ErrorCode::failedPrecondition);
  EXPECT_EQ(bytesOf(folder.database()) + bytesOf(log), before);
}

TEST_F(Opening, IsRefusedWhereTheFileSystemHasNoSharedMemory) {
  FaultyDisk disk;
  disk.failWith(FaultyDisk::Fault::noSharedMemory);
  const Error error = refusal(folder.path());
  EXPECT_EQ(error.code, ErrorCode::failedPrecondition);
  EXPECT_NE(error.message.find("shared memory"), std::string::npos) << error.message;
}

TEST_F(Opening, SyncsEveryFolderThatGotANewName) {
  const SyncSpy spy;
  const auto database = openDatabase({.dataFolder = folder.path() / "a" / "b"}, clock);
  EXPECT_TRUE(spy.saw(folder.path()));
  EXPECT_TRUE(spy.saw(folder.path() / "a"));
  EXPECT_TRUE(spy.saw(folder.path() / "a" / "b"));
}

TEST_F(Opening, MakesAPrivateFolderOfAPathThatEndsInASlash) {
  const auto database = openDatabase({.dataFolder = folder.path() / "data" / ""}, clock);
  EXPECT_EQ(modeOf(folder.path() / "data"), 0700u);
}

}  // namespace
}  // namespace corbel::store
