// Numbered changes of the tables, each with its way back.
//
// A new migration is one new file beside the feature that owns the tables, and one line in that
// feature's list. Numbers count through the whole program: take the next free one, so that "down to
// 12" means the state of one release. The app joins the lists of all features and passes them here
// in any order.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace corbel::store {

// Scripts are in the subset of both databases: TEXT, INTEGER (32 bits), BIGINT, BOOLEAN, REAL (64
// bits) and BLOB. For PostgreSQL they become TEXT COLLATE "C" (so that both sort the same way),
// DOUBLE PRECISION and BYTEA.
struct Migration {
  int version = 0;        // from 1, unique
  std::string_view name;  // a few words, e.g. "models and versions"
  std::string_view up;    // statements separated by ';'
  std::string_view down;  // takes back exactly what `up` did
  // Replaces a table that others refer to: on SQLite, foreign keys are checked at its end.
  bool rebuildsTables = false;
};

struct AppliedMigration {
  int version = 0;
  std::string name;
  std::string checksum;  // SHA-256 of `up`, 64 hexadecimal digits
  Timestamp appliedAt;
};

// What the table schema_migrations (version, name, checksum, applied_at) holds, ascending; nothing
// in a new database.
Result<std::vector<AppliedMigration>> appliedMigrations(Database& database);

// Applies every migration that is missing, ascending, each in a transaction of its own; the
// versions applied. failed_precondition: the database has a migration that this program does not
// know (a newer program made it), or `up` of an applied one was changed since. unprocessable: the
// list itself is wrong (number twice, or no way back). unavailable: another process migrates. Else
// the error of the statement; the message names the migration, the ones before it stay applied.
Result<std::vector<int>> migrateUp(Database& database, std::span<const Migration> migrations,
                                   const Clock& clock);

// Takes back every applied migration above `version`, descending; the versions taken back. Errors
// as above.
Result<std::vector<int>> migrateDown(Database& database, std::span<const Migration> migrations,
                                     int version);

}  // namespace corbel::store
