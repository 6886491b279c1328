#include "connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/trace.h"

namespace corbel::store {
namespace {

constexpr int kBusyTimeoutMs = 5'000;       // somebody looks at the file with the sqlite3 program
constexpr int kRestartTimeoutMs = 100;      // how long a checkpoint may hold up the writer
constexpr std::size_t kStatements = 128;    // cached per connection
constexpr int kStepsBetweenClocks = 1'000;  // about 20 to 100 µs
constexpr int kValueBytes = 16 * limits::kMiB;
constexpr int kSqlBytes = 100'000;

constexpr const char* kSettings =
    "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA "
    "mmap_size=0;"
    "PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL; PRAGMA case_sensitive_like=ON;";
constexpr const char* kReaderSettings = "PRAGMA cache_size=-2000; PRAGMA query_only=ON;";
// Checkpoints are made by the writer after it has answered, see Connection::checkpoint. What is
// deleted is overwritten, so that Database::scrub() has only the log to empty.
constexpr const char* kWriterSettings =
    "PRAGMA cache_size=-16000; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864; "
    "PRAGMA secure_delete=ON;";

class SqliteRow final : public Row {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}

  bool isNull(int column) const override {
    if (column >= 0 && column < sqlite3_column_count(statement_))
      return type(column) == SQLITE_NULL;
    refuse(column, "a column of the query");
    return true;
  }
  bool boolean(int column) const override { return integer64(column) != 0; }
  double real(int column) const override {
    if (const int found = type(column); found != SQLITE_FLOAT && found != SQLITE_INTEGER)
      refuse(column, "a number");
    return sqlite3_column_double(statement_, column);
  }
  std::string_view text(int column) const override {
    if (type(column) != SQLITE_TEXT) {
      refuse(column, "text");
      return {};
    }
    const void* text = sqlite3_column_text(statement_, column);
    return {static_cast<const char*>(text),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  Bytes bytes(int column) const override {
    if (type(column) != SQLITE_BLOB) {
      refuse(column, "bytes");
      return {};
    }
    const void* bytes = sqlite3_column_blob(statement_, column);
    return {static_cast<const std::byte*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  // Empty as long as every column was what it was read as.
  const std::string& refusal() const { return refusal_; }

 private:
  int type(int column) const { return sqlite3_column_type(statement_, column); }
  std::int64_t integer64(int column) const override {
    if (type(column) != SQLITE_INTEGER) refuse(column, "an integer");
    return sqlite3_column_int64(statement_, column);
  }
  void refuse(int column, std::string_view wanted) const override {
    if (refusal_.empty()) refusal_ = fmt::format("column {} is not {}", column, wanted);
  }

  sqlite3_stmt* statement_;
  mutable std::string refusal_;
};

int bindValue(sqlite3_stmt* statement, int at, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return sqlite3_bind_int64(statement, at, *number);
  if (const auto* truth = std::get_if<bool>(&value))
    return sqlite3_bind_int(statement, at, *truth ? 1 : 0);
  if (const auto* number = std::get_if<double>(&value))
    return sqlite3_bind_double(statement, at, *number);
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    const char* start =
        text->data() == nullptr ? "" : text->data();  // a null pointer would bind NULL
    return sqlite3_bind_text64(statement, at, start, text->size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  if (const auto* bytes = std::get_if<Bytes>(&value)) {
    if (bytes->empty()) return sqlite3_bind_zeroblob(statement, at, 0);
    return sqlite3_bind_blob64(statement, at, bytes->data(), bytes->size(), SQLITE_STATIC);
  }
  return sqlite3_bind_null(statement, at);
}

// unixWrite knows only ENOSPC as a full disk; a quota and a file size limit are the same thing to
// the operator.
bool isNoRoom(int result, sqlite3* connection) {
  if (result == SQLITE_FULL) return true;
  if (result != SQLITE_IOERR_WRITE) return false;
  const int error = sqlite3_system_errno(connection);
  return error == EFBIG || error == EDQUOT || error == ENOSPC;
}

Error constraintError(int result) {
  switch (result) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {ErrorCode::alreadyExists, "something with this name or id already exists", {}, {}};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return {ErrorCode::failedPrecondition,
              "it refers to something that does not exist, or is still referred to",
              {},
              {}};
    default:
      return {ErrorCode::failedPrecondition, "it breaks a rule of the stored data", {}, {}};
  }
}

Error noSharedMemory(std::string detail) {
  return {ErrorCode::failedPrecondition,
          "the file system does not offer the shared memory and locks that a database needs: "
          "choose a folder on a local disk",
          std::move(detail),
          {}};
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file,
                                                     Access access, const Clock& clock,
                                                     Condition& condition) {
  static const int initialized = sqlite3_initialize();
  std::unique_ptr<Connection> made(new Connection(access, clock, condition));
  sqlite3* handle = nullptr;
  const int mode = access == Access::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  const int opened =
      initialized != SQLITE_OK
          ? initialized
          : sqlite3_open_v2(file.c_str(), &handle,
                            mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  made->handle_.reset(handle);
  if (opened != SQLITE_OK) return std::unexpected(made->toError(opened, "open"));
  CORBEL_CHECK(made->configure());
  return made;
}

// What is in doubt stays as it is for the next start to judge; closing must not copy it into the
// database.
Connection::~Connection() {
  if (condition_.state() != StoreState::stopped || handle_ == nullptr) return;
  sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Result<void> Connection::configure() {
  sqlite3* handle = handle_.get();
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);  // first: every setting below may have to wait
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kValueBytes);
  sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, kSqlBytes);
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_progress_handler(
      handle, kStepsBetweenClocks,
      [](void* self) -> int {
        const auto& connection = *static_cast<Connection*>(self);
        return connection.deadline_ != SteadyTime::max() &&
               connection.clock_.steady() >= connection.deadline_;
      },
      this);
  CORBEL_CHECK(runScript(kSettings));
  if (access_ == Access::read) return runScript(kReaderSettings);
  // Whose file it is, is not known yet: closing it must not change it.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return {};
}

Result<void> Connection::becomeWriter() {
  sqlite3* handle = handle_.get();
  std::string mode;
  Visit visit = [&](const Row& row) {
    mode = row.text(0);
    return true;
  };
  // What happened shows in the answer: a mode that cannot be set is no error.
  CORBEL_CHECK(run("PRAGMA journal_mode=WAL", {}, visit));
  if (mode != "wal") return std::unexpected(noSharedMemory("journal_mode is " + mode));
  CORBEL_CHECK(runScript(kWriterSettings));
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  // Last: setting wal_autocheckpoint takes the hook away.
  sqlite3_wal_hook(
      handle,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Connection*>(self)->noteCommit(static_cast<std::uint64_t>(pages));
        return SQLITE_OK;
      },
      this);
  return {};
}

Result<std::int64_t> Connection::run(std::string_view sql, std::span<const Value> values,
                                     Visit& visit) {
  trace::Span span("query");
  span.set("db.system.name", "sqlite");
  span.set("db.query.text", sql);
  CORBEL_TRY(Statement statement, take(sql));
  const auto before = sqlite3_total_changes64(handle_.get());
  auto outcome = bind(statement.get(), sql, values);
  if (outcome) outcome = step(statement.get(), sql, visit);
  sqlite3_reset(statement.get());
  sqlite3_clear_bindings(statement.get());  // they point into the caller's values
  giveBack(sql, std::move(statement));
  if (!outcome) {
    span.fail(outcome.error().message);
    return std::unexpected(std::move(outcome).error());
  }
  // sqlite3_changes64 alone would still tell of the statement before this one, total_changes64
  // counts what triggers did.
  return sqlite3_total_changes64(handle_.get()) == before ? 0 : sqlite3_changes64(handle_.get());
}

Result<void> Connection::run(std::string_view sql) {
  Visit ignore = [](const Row&) { return true; };
  CORBEL_CHECK(run(sql, {}, ignore));
  return {};
}

Result<void> Connection::runScript(std::string_view sql) {
  Visit ignore = [](const Row&) { return true; };
  while (!sql.empty()) {
    const char* tail = nullptr;
    CORBEL_TRY(const Statement statement, prepare(sql, 0, &tail));
    if (statement != nullptr) CORBEL_CHECK(step(statement.get(), sql, ignore));
    sql.remove_prefix(static_cast<std::size_t>(tail - sql.data()));
  }
  return {};
}

// Fewer pages than before: the log was begun anew.
void Connection::noteCommit(std::uint64_t logPages) {
  if (logPages < logPages_) copiedPages_ = 0;
  logPages_ = logPages;
}

bool Connection::inTransaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

Result<void> Connection::checkpoint(Checkpoint kind) {
  static constexpr std::array kModes = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_RESTART,
                                        SQLITE_CHECKPOINT_TRUNCATE};
  sqlite3_busy_timeout(handle_.get(), kRestartTimeoutMs);
  int pages = 0;
  int copied = 0;
  const int result = sqlite3_wal_checkpoint_v2(
      handle_.get(), nullptr, kModes[static_cast<std::size_t>(kind)], &pages, &copied);
  sqlite3_busy_timeout(handle_.get(), kBusyTimeoutMs);
  if (kind == Checkpoint::truncate && result == SQLITE_OK) {
    logPages_ = 0;
    copiedPages_ = 0;
  }
  if (kind == Checkpoint::truncate && result == SQLITE_BUSY)
    return fail(ErrorCode::unavailable, "The database's log is in use.");
  if (copied > 0) copiedPages_ = static_cast<std::uint64_t>(copied);
  if (result == SQLITE_OK || result == SQLITE_BUSY) return {};
  return std::unexpected(toError(result, "checkpoint"));
}

Result<Connection::Statement> Connection::take(std::string_view sql) {
  const auto same = [&](const Cached& cached) {
    return cached.sql.data() == sql.data() && cached.sql.size() == sql.size() &&
           cached.statement != nullptr;
  };
  // A statement is away while it runs, so a query inside the same query gets one of its own.
  if (const auto found = std::ranges::find_if(cache_, same); found != cache_.end())
    return std::move(found->statement);
  return prepare(sql, SQLITE_PREPARE_PERSISTENT, nullptr);
}

void Connection::giveBack(std::string_view sql, Statement statement) {
  const auto free = [](const Cached& cached) { return cached.statement == nullptr; };
  auto place = std::ranges::find_if(cache_, free);
  if (place == cache_.end() && cache_.size() < kStatements) place = cache_.insert(place, Cached{});
  if (place == cache_.end()) place = std::ranges::min_element(cache_, {}, &Cached::lastUse);
  *place = {sql, std::move(statement), ++uses_};
}

Result<Connection::Statement> Connection::prepare(std::string_view sql, unsigned flags,
                                                  const char** tail) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        flags, &statement, tail);
  if (result != SQLITE_OK) return failure(sql);
  return Statement(statement);
}

Result<void> Connection::bind(sqlite3_stmt* statement, std::string_view sql,
                              std::span<const Value> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (bindValue(statement, static_cast<int>(i) + 1, values[i]) != SQLITE_OK) return failure(sql);
  }
  return {};
}

Result<void> Connection::step(sqlite3_stmt* statement, std::string_view sql, Visit& visit) {
  const SqliteRow row(statement);
  int result = sqlite3_step(statement);
  for (; result == SQLITE_ROW; result = sqlite3_step(statement)) {
    const bool more = visit(row);
    if (!row.refusal().empty()) {
      return fail(ErrorCode::internal, "stored data is not as expected",
                  fmt::format("{}: {}", row.refusal(), sql));
    }
    if (!more) return {};
  }
  if (result != SQLITE_DONE) return failure(sql);
  return {};
}

std::unexpected<Error> Connection::failure(std::string_view sql) {
  return std::unexpected(toError(sqlite3_extended_errcode(handle_.get()), sql));
}

Error Connection::toError(int result, std::string_view sql) {
  std::string detail =
      fmt::format("SQLite {} ({}): {}", result,
                  handle_ == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(handle_.get()), sql);
  const auto error = [&](ErrorCode code, std::string message) {
    return Error{code, std::move(message), std::move(detail), {}};
  };
  if (isNoRoom(result, handle_.get())) {
    if (access_ == Access::write) condition_.foundNoRoom();
    return error(ErrorCode::insufficientStorage, "there is no room left to store this");
  }
  switch (result & 0xff) {
    case SQLITE_CONSTRAINT: {
      Error broken = constraintError(result);
      broken.detail = std::move(detail);
      return broken;
    }
    case SQLITE_INTERRUPT:
      return error(ErrorCode::deadlineExceeded,
                   "the query took longer than allowed and was stopped");
    case SQLITE_TOOBIG:
      return error(ErrorCode::payloadTooLarge,
                   "a value is longer than the 16 MiB that can be stored");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return error(ErrorCode::unavailable, "the database is held by another program; try again");
    case SQLITE_CANTOPEN:  // no descriptor left, most often
      return error(ErrorCode::unavailable, "the database file cannot be opened now; try again");
    case SQLITE_NOMEM:
      return error(ErrorCode::unavailable, "not enough memory; try again");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      condition_.stop();
      return error(ErrorCode::internal, "the database is damaged");
    case SQLITE_IOERR:
      if (result == SQLITE_IOERR_NOMEM)
        return error(ErrorCode::unavailable, "not enough memory; try again");
      if (result == SQLITE_IOERR_SHMOPEN || result == SQLITE_IOERR_SHMMAP)
        return noSharedMemory(std::move(detail));
      // After a failed write or fsync nobody knows what the disk holds.
      if (access_ == Access::write) condition_.stop();
      return error(ErrorCode::internal, "the disk reported an error");
    default:
      return error(ErrorCode::internal, "the database could not do this");
  }
}

}  // namespace corbel::store
