// One SQLite connection: settings, statement cache, deadline, and SQLite's results as errors.
#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "condition.h"
#include "store/sql.h"
#include "store/store.h"

namespace corbel::store {

enum class Access : std::uint8_t { read, write };

// For one thread at a time.
class Connection {
 public:
  // The file exists. Errors as of Database::open. Changes nothing in the file.
  static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file, Access access,
                                                  const Clock& clock, Condition& condition);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Makes the file one with a write-ahead log; before it, nothing may be written.
  // failed_precondition: the file system cannot do that.
  Result<void> becomeWriter();

  using Visit = std::move_only_function<bool(const Row&)>;
  // Rows to `visit` until it answers false; the number of rows changed.
  Result<std::int64_t> run(std::string_view sql, std::span<const Value> values, Visit& visit);
  Result<void> run(std::string_view sql);
  // Any number of statements, not cached.
  Result<void> runScript(std::string_view sql);

  // Statements that run when it passes fail with deadline_exceeded.
  void setDeadline(Deadline deadline) { deadline_ = deadline.time(); }
  // False outside, and after an error that made SQLite give up the whole transaction.
  bool inTransaction() const;

  // Pages in the write-ahead log after the last commit of this connection.
  std::uint64_t logPages() const { return logPages_; }
  // Those of them that no checkpoint has copied yet.
  std::uint64_t uncopiedPages() const { return logPages_ - copiedPages_; }
  // Copies the log into the database file as far as readers allow; with `restart` waits a moment
  // for them, so that the log is written from its beginning again; `truncate` also empties its
  // file, and is `unavailable` where a reader was in the way.
  enum class Checkpoint : std::uint8_t { passive, restart, truncate };
  Result<void> checkpoint(Checkpoint kind);

 private:
  struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
  struct Cached {
    std::string_view sql;  // compared by address: statements are literals
    Statement statement;
    std::uint64_t lastUse = 0;
  };

  Connection(Access access, const Clock& clock, Condition& condition)
      : access_(access), clock_(clock), condition_(condition) {}
  Result<void> configure();
  Result<Statement> take(std::string_view sql);
  void noteCommit(std::uint64_t logPages);
  void giveBack(std::string_view sql, Statement statement);
  Result<Statement> prepare(std::string_view sql, unsigned flags, const char** tail);
  Result<void> bind(sqlite3_stmt* statement, std::string_view sql, std::span<const Value> values);
  Result<void> step(sqlite3_stmt* statement, std::string_view sql, Visit& visit);
  std::unexpected<Error> failure(std::string_view sql);
  Error toError(int result, std::string_view sql);

  const Access access_;
  const Clock& clock_;
  Condition& condition_;
  SteadyTime deadline_ = SteadyTime::max();
  std::uint64_t logPages_ = 0;
  std::uint64_t copiedPages_ = 0;
  std::uint64_t uses_ = 0;
  std::unique_ptr<sqlite3, Close> handle_;
  std::vector<Cached> cache_;  // after handle_: statements go before their connection
};

}  // namespace corbel::store
