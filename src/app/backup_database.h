// The database in a backup: a file of SQLite, or the tables of PostgreSQL.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/backup.h"
#include "archive/archive.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"
#include "json/describe.h"

namespace corbel::app {

struct BackupMigration {
  int version = 0;
  std::string name;
};
BOOST_DESCRIBE_STRUCT(BackupMigration, (), (version, name))

struct BackupTable {
  std::string name;
  std::string columns;
};
BOOST_DESCRIBE_STRUCT(BackupTable, (), (name, columns))

struct BackupManifest {
  int format = 1;
  std::string program = {};
  Timestamp takenAt;
  std::string database;  // "sqlite" or "postgres"
  std::vector<BackupMigration> migrations = {};
  std::vector<BackupTable> tables = {};  // of PostgreSQL, in the order in which they are filled
};
BOOST_DESCRIBE_STRUCT(BackupManifest, (), (format, program, takenAt, database, migrations, tables))

// The database as it was when this was made.
class DatabaseCopy {
 public:
  virtual ~DatabaseCopy() = default;
  virtual BackupManifest manifest() const = 0;
  virtual Result<void> writeTo(archive::Writer& writer) = 0;
};
// What has to wait on the disk meanwhile is a file beside `beside`, gone with the copy.
Result<std::unique_ptr<DatabaseCopy>> copyDatabase(const config::Settings& settings,
                                                   const std::filesystem::path& beside,
                                                   const Clock& clock);

// already_exists: there is a database, and it may not be replaced. unprocessable: the backup is of
// the other kind of database.
Result<void> requireRoom(const config::Settings& settings, const BackupManifest& manifest,
                         Replace replace);

// Moves a database that is there aside, and puts that of the backup in its place; its bytes.
Result<std::int64_t> replaceDatabase(const config::Settings& settings,
                                     const BackupManifest& manifest, const archive::Reader& reader,
                                     const Clock& clock);

}  // namespace corbel::app
