// What the tests of this module share: a folder that goes with its owner, and a database with one
// table.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

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

inline std::unique_ptr<Database> openDatabase(const DatabaseOptions& options, const Clock& clock) {
  auto opened = Database::open(options, clock);
  if (!opened) {
    ADD_FAILURE() << opened.error().message << "; " << opened.error().detail;
    std::abort();
  }
  return *std::move(opened);
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

// A new database with the table of notes.
class StoreTest : public testing::Test {
 protected:
  StoreTest() { EXPECT_TRUE(createNotes(*database)); }

  TemporaryFolder folder;
  SystemClock clock;
  std::unique_ptr<Database> database = openDatabase({.dataFolder = folder.path()}, clock);
};

}  // namespace corbel::store
