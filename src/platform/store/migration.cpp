#include "store/migration.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <ranges>
#include <utility>

#include "crypto/sha256.h"

namespace corbel::store {

// The only one that may run scripts: their text comes from migrations, not from literals at the
// place of use.
class MigrationRunner {
 public:
  static Result<void> run(Transaction& tx, std::string_view sql) { return tx.runScript(sql); }
};

namespace {

using Known = std::map<int, Migration>;

std::string checksum(const Migration& migration) {
  return crypto::hex(crypto::sha256(migration.up));
}
std::string label(int version, std::string_view name) {
  return fmt::format("migration {} '{}'", version, name);
}
std::string label(const Migration& migration) { return label(migration.version, migration.name); }

Result<Known> byVersion(std::span<const Migration> migrations) {
  Known known;
  for (const Migration& migration : migrations) {
    if (migration.version < 1 || migration.up.empty() || migration.down.empty()) {
      return fail(ErrorCode::unprocessable,
                  label(migration) + " needs a number from 1, a way up and a way down");
    }
    if (!known.emplace(migration.version, migration).second) {
      return fail(ErrorCode::unprocessable, label(migration) + ": the number is already taken by " +
                                                label(known.at(migration.version)));
    }
  }
  return known;
}

bool isIn(const std::vector<AppliedMigration>& applied, int version) {
  return std::ranges::find(applied, version, &AppliedMigration::version) != applied.end();
}

AppliedMigration appliedOf(const Row& row) {
  return {row.integer<int>(0), row.string(1), row.string(2), row.time(3)};
}

// An old program must not write into tables that it does not know, and a changed migration means
// that this database is not the one the program expects.
Result<void> refuseSurprises(const std::vector<AppliedMigration>& applied, const Known& known) {
  for (const AppliedMigration& one : applied) {
    const auto found = known.find(one.version);
    if (found == known.end()) {
      return fail(ErrorCode::failedPrecondition,
                  fmt::format("the database was made by a newer Corbel: {} is not known to this "
                              "one. Start the newer "
                              "version, or take the migration back with it first (corbel migrate)",
                              label(one.version, one.name)));
    }
    if (checksum(found->second) != one.checksum) {
      return fail(ErrorCode::failedPrecondition,
                  label(found->second) +
                      " was changed after it had been applied: add a new migration instead");
    }
  }
  return {};
}

Result<void> createTable(Database& database) {
  return database.write(
      [](Transaction& tx) {
        return tx.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, "
            "name TEXT NOT NULL, "
            "checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)");
      },
      Deadline::never());
}

Result<void> runOne(Database& database, const Migration& migration, std::string_view script,
                    const std::function<Result<void>(Transaction&)>& note) {
  auto outcome = database.writeAndWait({.apply = [&](Transaction& tx) -> Result<void> {
                                          CORBEL_CHECK(MigrationRunner::run(tx, script));
                                          return note(tx);
                                        },
                                        .done = {},
                                        .rebuildsTables = migration.rebuildsTables});
  if (!outcome) outcome.error().message = label(migration) + " failed: " + outcome.error().message;
  return outcome;
}

}  // namespace

Result<std::vector<AppliedMigration>> appliedMigrations(Database& database) {
  return database.read(
      [](Reader& reader) -> Result<std::vector<AppliedMigration>> {
        CORBEL_TRY(const auto exists,
                   reader
                       .query({"SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'",
                               "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = "
                               "current_schema() AND tablename = 'schema_migrations'"})
                       .one([](const Row&) { return true; }));
        if (!exists) return {};
        return reader
            .query(
                "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY "
                "version")
            .all(appliedOf);
      },
      Deadline::never());
}

Result<std::vector<int>> migrateUp(Database& database, std::span<const Migration> migrations,
                                   const Clock& clock) {
  CORBEL_TRY(const Known known, byVersion(migrations));
  CORBEL_TRY(const auto lock, database.openMigrationLock());
  CORBEL_CHECK(createTable(database));
  CORBEL_TRY(const auto applied, appliedMigrations(database));
  CORBEL_CHECK(refuseSurprises(applied, known));
  std::vector<int> done;
  for (const auto& [version, migration] : known) {
    if (isIn(applied, version)) continue;
    CORBEL_CHECK(runOne(database, migration, migration.up, [&](Transaction& tx) {
      return tx.execute(
          "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
          migration.version, migration.name, checksum(migration), clock.now());
    }));
    done.push_back(version);
  }
  return done;
}

Result<std::vector<int>> migrateDown(Database& database, std::span<const Migration> migrations,
                                     int version) {
  CORBEL_TRY(const Known known, byVersion(migrations));
  CORBEL_TRY(const auto lock, database.openMigrationLock());
  CORBEL_TRY(const auto applied, appliedMigrations(database));
  CORBEL_CHECK(refuseSurprises(applied, known));
  std::vector<int> done;
  for (const AppliedMigration& one : applied | std::views::reverse) {
    if (one.version <= version) break;
    const Migration& migration = known.at(one.version);
    CORBEL_CHECK(runOne(database, migration, migration.down, [&](Transaction& tx) {
      return tx.execute("DELETE FROM schema_migrations WHERE version = ?", migration.version);
    }));
    done.push_back(one.version);
  }
  return done;
}

}  // namespace corbel::store
