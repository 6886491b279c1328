#include <fmt/core.h>

#include <string>
#include <tuple>
#include <utility>

#include "condition.h"
#include "connection.h"
#include "data_folder.h"
#include "reader_pool.h"
#include "store/store.h"
#include "writer.h"

namespace corbel::store {
namespace {

// The file's application_id: "CBEL".
constexpr std::int64_t kApplicationId = 0x4342454c;

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(DataFolder folder, const SqliteOptions& options, const Clock& clock)
      : folder_(std::move(folder)),
        fileName_(options.fileName),
        readers_(folder_.file(fileName_), options, clock, condition_),
        clock_(clock) {}
  // Best effort: a disk that fails may not take this either.
  ~SqliteDatabase() override {
    if (condition_.state() == StoreState::stopped) std::ignore = folder_.ensureFile(doubtFile());
  }

  Result<void> start(const SqliteOptions& options);

  void write(UnitOfWork unit) override { writer_->write(std::move(unit)); }
  Result<void> writeAndWait(UnitOfWork unit) override {
    return writer_->writeAndWait(std::move(unit));
  }
  Result<void> checkIntegrity(Deadline deadline) override;
  Result<void> scrub(Deadline deadline) override { return writer_->emptyLog(deadline); }
  // The file belongs to this process alone.
  Result<std::unique_ptr<MigrationLock>> openMigrationLock() override {
    return std::make_unique<MigrationLock>();
  }
  StoreState state() const override { return condition_.state(); }
  DatabaseStats stats() const override {
    DatabaseStats stats;
    writer_->addTo(stats);
    readers_.addTo(stats);
    return stats;
  }

 private:
  Result<void> readOn(std::move_only_function<Result<void>(Reader&)> fn,
                      Deadline deadline) override {
    return readers_.read(std::move(fn), deadline);
  }
  Result<void> checkAfterStop();
  // There while the last process that had the file found it damaged or could not write it.
  std::string doubtFile() const { return fileName_ + "-doubt"; }
  Error explain(Error error) const;

  // Destroyed in reverse: the readers close before the writer, whose connection empties the log,
  // and the lock goes last.
  DataFolder folder_;
  const std::string fileName_;
  Condition condition_;
  std::unique_ptr<Writer> writer_;
  ReaderPool readers_;
  const Clock& clock_;
};

Result<std::int64_t> number(Connection& connection, std::string_view sql) {
  std::int64_t found = 0;
  Connection::Visit visit = [&](const Row& row) {
    found = row.integer(0);
    return true;
  };
  CORBEL_CHECK(connection.run(sql, {}, visit));
  return found;
}

// A new file is marked as ours; one with other tables in it belongs to somebody else, and is left
// as it is.
Result<void> claim(Connection& connection) {
  CORBEL_TRY(const auto id, number(connection, "PRAGMA application_id"));
  CORBEL_TRY(const auto tables, number(connection, "SELECT count(*) FROM sqlite_schema"));
  if (id != kApplicationId && (id != 0 || tables != 0))
    return fail(ErrorCode::failedPrecondition, "is not a Corbel database");
  CORBEL_CHECK(connection.becomeWriter());
  return id == kApplicationId ? Result<void>() : connection.run("PRAGMA application_id=1128416588");
}
static_assert(kApplicationId == 1128416588);

Result<void> limitSize(Connection& connection, std::uint64_t bytes) {
  CORBEL_TRY(const auto pageBytes, number(connection, "PRAGMA page_size"));
  return connection.runScript(
      fmt::format("PRAGMA max_page_count={}", bytes / static_cast<std::uint64_t>(pageBytes)));
}

Result<void> SqliteDatabase::start(const SqliteOptions& options) {
  CORBEL_CHECK(folder_.ensureFile(fileName_));
  const auto prepare = [&]() -> Result<std::unique_ptr<Connection>> {
    CORBEL_TRY(auto connection,
               Connection::open(folder_.file(fileName_), Access::write, clock_, condition_));
    CORBEL_CHECK(claim(*connection));
    if (options.durability == Durability::cache)
      CORBEL_CHECK(connection->runScript("PRAGMA synchronous=NORMAL; PRAGMA cache_size=-2000"));
    if (options.fileBytesMax) CORBEL_CHECK(limitSize(*connection, *options.fileBytesMax));
    CORBEL_CHECK(readers_.openFirst());
    CORBEL_CHECK(checkAfterStop());
    return connection;
  };
  auto connection = prepare();
  if (!connection) return std::unexpected(explain(std::move(connection).error()));
  writer_ = std::make_unique<Writer>(*std::move(connection), condition_, options.queue, clock_);
  return {};
}

Result<void> SqliteDatabase::checkAfterStop() {
  if (!folder_.hasFile(doubtFile())) return {};
  const auto sound = checkIntegrity(Deadline::after(clock_, kCheckMax));
  // Too large to be read in that time: what is damaged stops the store again.
  if (!sound && sound.error().code == ErrorCode::deadlineExceeded) return {};
  if (sound) folder_.removeFile(doubtFile());
  return sound;
}

Error SqliteDatabase::explain(Error error) const {
  const std::string file = folder_.file(fileName_).string();
  if (condition_.state() == StoreState::stopped) {
    error.code = ErrorCode::failedPrecondition;
    error.message = fmt::format(
        "{} is damaged or is not a Corbel database: restore a backup, or move the file away to "
        "start empty",
        file);
  } else {
    error.message = fmt::format("{}: {}", file, error.message);
  }
  return error;
}

Result<void> SqliteDatabase::checkIntegrity(Deadline deadline) {
  std::string found;
  const auto check = [&](Connection& connection) -> Result<void> {
    Connection::Visit visit = [&](const Row& row) {
      if (const auto line = row.text(0); line != "ok") found = line;
      return true;
    };
    CORBEL_CHECK(connection.run("PRAGMA integrity_check(1)", {}, visit));
    CORBEL_CHECK(connection.run("PRAGMA foreign_key_check", {}, visit));
    return {};
  };
  CORBEL_CHECK(readers_.inspect(check, deadline));
  if (found.empty()) return {};
  condition_.stop();
  return fail(ErrorCode::failedPrecondition, "the database is damaged: restore a backup", found);
}

}  // namespace

Result<std::unique_ptr<Database>> openSqlite(const SqliteOptions& options, const Clock& clock) {
  CORBEL_TRY(auto folder, DataFolder::take(options.dataFolder));
  auto database = std::make_unique<SqliteDatabase>(std::move(folder), options, clock);
  CORBEL_CHECK(database->start(options));
  return database;
}

}  // namespace corbel::store
