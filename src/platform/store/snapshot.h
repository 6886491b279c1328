// Copies of a SQLite database, made while another process writes to it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/migration.h"

namespace corbel::store {

// Writes `into`, which must not exist, as the database was at one moment; no writer waits for it,
// and everything that was acknowledged before the call is in it. The copy is checked (every page
// and index) before this answers. not_found: there is no database. already_exists.
// insufficient_storage. failed_precondition: what was copied is damaged.
struct Snapshot {
  Timestamp takenAt;
  std::int64_t sizeBytes = 0;
  std::vector<AppliedMigration> migrations = {};
};
Result<Snapshot> copySqlite(const std::filesystem::path& file, const std::filesystem::path& into,
                            const Clock& clock);

// What a database holds, with every page read; others may use it meanwhile. failed_precondition: it
// is damaged, or not a database of Corbel.
Result<std::vector<AppliedMigration>> inspectSqlite(const std::filesystem::path& file);

}  // namespace corbel::store
