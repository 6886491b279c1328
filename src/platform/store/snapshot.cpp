#include "store/snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>

#include "base/descriptor.h"

namespace corbel::store {
namespace {

constexpr int kPagesAtOnce = 4'096;
constexpr int kBusyMs = 10'000;
constexpr std::string_view kApplicationId = "1128416588";  // "CBEL", see sqlite_database.cpp

struct Close {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

std::unexpected<Error> failure(sqlite3* connection, std::string_view what, int result) {
  const bool full = (result & 0xff) == SQLITE_FULL;
  return fail(full ? ErrorCode::insufficientStorage : ErrorCode::internal,
              fmt::format("{}: {}", what, sqlite3_errmsg(connection)));
}

Result<Handle> open(const std::filesystem::path& file, int flags) {
  static const int initialized = sqlite3_initialize();
  if (initialized != SQLITE_OK) return fail(ErrorCode::internal, "SQLite cannot be initialised");
  sqlite3* raw = nullptr;
  const int result = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Handle handle(raw);
  if (result != SQLITE_OK) return failure(raw, file.string() + " cannot be opened", result);
  sqlite3_busy_timeout(raw, kBusyMs);
  // Copying the log into the file is the server's, which may be using both.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return handle;
}

// Of every row the columns as texts; columns that are NULL are "".
using Rows = std::vector<std::vector<std::string>>;
Result<Rows> query(sqlite3* connection, const char* sql) {
  Rows rows;
  const auto collect = [](void* into, int count, char** values, char**) {
    std::vector<std::string> row;
    row.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) row.emplace_back(values[i] == nullptr ? "" : values[i]);
    static_cast<Rows*>(into)->push_back(std::move(row));
    return 0;
  };
  const int result = sqlite3_exec(connection, sql, collect, &rows, nullptr);
  if (result != SQLITE_OK) return failure(connection, "the database cannot be read", result);
  return rows;
}

// The source's transaction holds one moment of it, so that writers of other processes do not make
// the copy begin anew.
Result<void> copy(sqlite3* from, sqlite3* to) {
  CORBEL_CHECK(query(from, "BEGIN"));
  CORBEL_CHECK(query(from, "SELECT count(*) FROM sqlite_schema"));
  sqlite3_backup* backup = sqlite3_backup_init(to, "main", from, "main");
  if (backup == nullptr) return failure(to, "the copy cannot be begun", sqlite3_errcode(to));
  int result = SQLITE_OK;
  while (result == SQLITE_OK) result = sqlite3_backup_step(backup, kPagesAtOnce);
  sqlite3_backup_finish(backup);
  if (result != SQLITE_DONE) return failure(to, "the copy cannot be written", result);
  // A file of its own, without a log beside it.
  CORBEL_CHECK(query(to, "PRAGMA journal_mode=DELETE"));
  return {};
}

Result<void> sync(const std::filesystem::path& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor && ::fsync(descriptor.number()) == 0) return {};
  return fail(ErrorCode::internal, file.string() + " cannot be synced");
}

}  // namespace

Result<std::vector<AppliedMigration>> inspectSqlite(const std::filesystem::path& file) {
  CORBEL_TRY(const Handle handle, open(file, SQLITE_OPEN_READONLY));
  const auto damaged = [](const std::string& why) {
    return fail(ErrorCode::failedPrecondition, "the copy of the database is damaged: " + why);
  };
  const auto id = query(handle.get(), "PRAGMA application_id");
  if (!id) return damaged(id.error().message);
  if (id->at(0).at(0) != kApplicationId)
    return fail(ErrorCode::failedPrecondition, "the copy is not a Corbel database");
  const auto sound = query(handle.get(), "PRAGMA integrity_check(1)");
  if (!sound) return damaged(sound.error().message);
  if (sound->at(0).at(0) != "ok") return damaged(sound->at(0).at(0));
  CORBEL_TRY(const auto orphans, query(handle.get(), "PRAGMA foreign_key_check"));
  if (!orphans.empty()) return damaged("a row of " + orphans[0].at(0) + " refers to none");
  CORBEL_TRY(const auto rows, query(handle.get(),
                                    "SELECT version, name, checksum, applied_at FROM "
                                    "schema_migrations ORDER BY version"));
  std::vector<AppliedMigration> migrations;
  for (const auto& row : rows) {
    migrations.push_back({std::atoi(row[0].c_str()), row[1], row[2],
                          Timestamp(std::chrono::milliseconds(std::atoll(row[3].c_str())))});
  }
  return migrations;
}

Result<Snapshot> copySqlite(const std::filesystem::path& file, const std::filesystem::path& into,
                            const Clock& clock) {
  std::error_code error;
  if (!std::filesystem::exists(file, error))
    return fail(ErrorCode::notFound, fmt::format("there is no database {}", file.string()));
  const Descriptor made(::open(into.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!made) {
    return fail(errno == EEXIST ? ErrorCode::alreadyExists : ErrorCode::permissionDenied,
                fmt::format("{} cannot be made", into.string()));
  }
  Snapshot snapshot{.takenAt = clock.now()};
  {
    // The log's index in shared memory has to be written, also by who only reads.
    CORBEL_TRY(const Handle from, open(file, SQLITE_OPEN_READWRITE));
    CORBEL_CHECK(query(from.get(), "PRAGMA query_only=ON"));
    CORBEL_TRY(const Handle to, open(into, SQLITE_OPEN_READWRITE));
    CORBEL_CHECK(copy(from.get(), to.get()));
  }
  CORBEL_TRY(snapshot.migrations, inspectSqlite(into));
  CORBEL_CHECK(sync(into));
  snapshot.sizeBytes = static_cast<std::int64_t>(std::filesystem::file_size(into, error));
  return snapshot;
}

}  // namespace corbel::store
