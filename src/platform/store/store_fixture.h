// What the tests of this module share: a folder that goes with its owner, and a database with one
// table.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace corbel::store {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database() const { return path_ / "corbel.db"; }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<Database> mustOpen(Result<std::unique_ptr<Database>> opened) {
  if (!opened) {
    ADD_FAILURE() << opened.error().message << "; " << opened.error().detail;
    std::abort();
  }
  return *std::move(opened);
}

// The URL of a server whose schemas tests may make and drop; null: tests have none.
inline const char* postgresForTests() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  return std::getenv("CORBEL_TEST_POSTGRES");
}

inline std::unique_ptr<Database> openDatabase(const SqliteOptions& options, const Clock& clock) {
  return mustOpen(openSqlite(options, clock));
}

inline Result<void> createNotes(Database& database) {
  return database.write(
      [](Transaction& tx) {
        return tx.execute(
            "CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, body TEXT NOT NULL UNIQUE)");
      },
      Deadline::never());
}

inline Result<void> insertNote(Transaction& tx, std::int64_t id, std::string_view body) {
  return tx.execute("INSERT INTO notes (id, body) VALUES (?, ?)", id, body);
}

inline Result<void> insertNote(Database& database, std::int64_t id, std::string_view body) {
  return database.write([&](Transaction& tx) { return insertNote(tx, id, body); },
                        Deadline::never());
}

inline std::int64_t countNotes(Database& database) {
  const auto count = database.read(
      [](Reader& reader) {
        return reader.query("SELECT count(*) FROM notes").one([](const Row& row) {
          return row.integer(0);
        });
      },
      Deadline::never());
  return count && *count ? **count : -1;
}

// What the contract's tests run on. PostgreSQL where a server is named, see
// tests/support/postgres.py.
enum class Backend : std::uint8_t { sqlite, postgres };

inline std::vector<Backend> backends() {
  if (postgresForTests() == nullptr) return {Backend::sqlite};
  return {Backend::sqlite, Backend::postgres};
}

inline std::string nameOf(const testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::sqlite ? "Sqlite" : "Postgres";
}

#define ON_EVERY_DATABASE(suite) \
  INSTANTIATE_TEST_SUITE_P(On, suite, testing::ValuesIn(backends()), nameOf)

inline PostgresOptions postgresOptions(const std::string& schema) {
  return {.url = Secret(postgresForTests()), .schema = schema};
}

inline std::string newSchema() {
  static int number = 0;
  return "test_" + std::to_string(getpid()) + "_" + std::to_string(++number);
}

// A new database of either kind. One writer, so that a held one holds all.
class ContractTest : public testing::TestWithParam<Backend> {
 protected:
  void reopen(const QueueOptions& queue = {}, const Clock* other = nullptr) {
    database.reset();
    const Clock& used = other == nullptr ? clock : *other;
    if (GetParam() == Backend::sqlite) {
      database = openDatabase({.dataFolder = folder.path(), .queue = queue}, used);
      return;
    }
    PostgresOptions options = postgresOptions(schema);
    options.writers = 1;
    options.queue = queue;
    database = mustOpen(openPostgres(options, used));
  }

  TemporaryFolder folder;
  const std::string schema = newSchema();
  SystemClock clock;
  std::unique_ptr<Database> database;
};

class NotesTest : public ContractTest {
 protected:
  NotesTest() {
    reopen();
    EXPECT_TRUE(createNotes(*database));
  }
};

// A new SQLite database with the table of notes.
class StoreTest : public testing::Test {
 protected:
  StoreTest() { EXPECT_TRUE(createNotes(*database)); }

  TemporaryFolder folder;
  SystemClock clock;
  std::unique_ptr<Database> database = openDatabase({.dataFolder = folder.path()}, clock);
};

}  // namespace corbel::store
