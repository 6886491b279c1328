// One connection to a PostgreSQL server, in pipeline mode: what need not be waited for (BEGIN,
// SAVEPOINT …) travels with the next statement. Prepared statements, and the server's words as
// errors.
#pragma once
#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "postgres_target.h"
#include "store/sql.h"

namespace corbel::store {

// For one thread at a time. Waits by the system's clock: the other side is another machine.
class PostgresConnection {
 private:
  struct Awaited {
    enum class What : std::uint8_t { control, prepare, statement, transaction, end };
    What what = What::control;
    bool matters = true;  // an error of it is the error of what is waited for
    bool good = false;
  };

 public:
  struct Session {
    std::string schema;
    std::chrono::milliseconds connectMax;
    std::chrono::milliseconds statementMax;  // 0: no limit
    std::chrono::milliseconds lockMax{5'000};
    // Asked while an answer is waited for longer than usual: false, and it is waited for no longer.
    std::function<bool(std::chrono::steady_clock::time_point since)> isThere = {};
  };
  // unavailable, permission_denied, failed_precondition: see openPostgres.
  static Result<std::unique_ptr<PostgresConnection>> open(const PostgresTarget& target,
                                                          const Session& session);
  // Whether one can be made, within connectMax. Errors as of open().
  static Result<void> tryToConnect(const PostgresTarget& target,
                                   std::chrono::milliseconds connectMax);
  // What is said of a server that does not answer: unavailable.
  static Error noAnswer(std::string detail);
  static bool isNoAnswer(const Error& error);

  using Visit = std::move_only_function<bool(const Row&)>;
  // Sent before the next statement that is waited for.
  void queue(std::string sql) { queued_.push_back({std::move(sql), Awaited::What::control}); }
  // Begins a transaction that writes; with the next statement, too.
  void queueBegin();
  // `sql` is a literal with `?`; rows to `visit` until it answers false; the number of rows
  // changed.
  Result<std::int64_t> run(std::string_view sql, std::span<const Value> values, Visit& visit);
  Result<void> run(std::string_view sql);
  // Any number of statements.
  Result<void> runScript(const std::string& sql);
  // Undoes what was begun, and what was only queued, without waiting for the answer.
  void endQuietly();

  enum class Commit : std::uint8_t {
    committed,
    refused,  // nothing was done: see `error`
    inDoubt,  // the connection was lost; `transaction` tells which one it was
  };
  struct CommitOutcome {
    Commit commit = Commit::committed;
    Error error = {};
    std::string transaction = {};
    std::string life = {};  // of the server, see life()
    bool silent = false;    // of one that was lost: the server is silent, too
  };
  CommitOutcome commit();
  // What happened to a transaction of that life of the server. Nothing: it does not tell.
  enum class Fate : std::uint8_t { committed, undone, unknown };
  // The server's, from its start or its last recovery on.
  const std::string& life() const { return life_; }
  std::optional<Fate> fateOf(const std::string& transaction, const std::string& itsLife);

  // Why the last statement failed, beside its error.
  enum class Trouble : std::uint8_t {
    none,
    conflict,  // with a concurrent transaction, or not its fault: the whole may be tried again
  };
  Trouble trouble() const { return trouble_; }
  void forgetTrouble() { trouble_ = Trouble::none; }
  // Of no use any more.
  bool lost() const { return lost_; }
  // Between two uses: false when the server has ended it.
  bool isAlive();
  void setStatementMax(std::chrono::milliseconds most) { statementMax_ = most; }
  // Until when its user waits at all, whatever the server was told; then the connection is lost.
  void setPatience(std::chrono::steady_clock::time_point until) { patience_ = until; }
  std::chrono::steady_clock::time_point openedAt() const { return openedAt_; }

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;
  // Text by address (statements are literals), and the kinds of its values.
  using Key = std::tuple<const char*, std::size_t, std::string>;
  struct Queued {
    std::string sql;
    Awaited::What what;
  };
  struct Collected {
    std::optional<Error> error = {};
    Answer statement = {};
    std::string command = {};  // the tag of the last one, such as "COMMIT"
  };

  PostgresConnection() = default;
  Result<void> connect(const PostgresTarget& target, const Session& session);
  Result<void> checkServer(const PostgresTarget& target) const;
  Result<void> prepareSession(const Session& session);
  // The text in the first column of the only row.
  Result<void> ask(std::string_view sql, std::span<const Value> values, std::string& answer);

  void sendQueued();
  void send(const std::string& sql, Awaited::What what, bool matters = true);
  void sendStatement(std::string_view sql, std::span<const Value> values);
  void sendEnd(bool matters = true);
  void expect(int sent, Awaited awaited);
  bool flush();
  bool await(short events);
  // Nothing: there is none, or the connection is lost.
  Answer next();
  Collected collect();
  void collectNext(Collected& collected);
  void collectOne(Answer answer, Collected& collected);
  Error toError(const PGresult* answer);
  Error lose();

  std::unique_ptr<PGconn, Close> connection_;
  std::chrono::steady_clock::time_point openedAt_ = std::chrono::steady_clock::now();
  std::function<bool(std::chrono::steady_clock::time_point)> isThere_;
  std::chrono::steady_clock::time_point patience_ = std::chrono::steady_clock::time_point::max();
  std::chrono::milliseconds statementMax_{0};
  std::vector<Queued> queued_;
  std::string transaction_;
  // Another one after the server has recovered from a crash: numbers of transactions that left no
  // trace on its disk are given out again then.
  std::string life_;
  std::deque<Awaited> awaited_;
  std::map<Key, std::string> prepared_;
  std::optional<std::pair<Key, std::string>> preparing_;
  std::string_view running_;  // for the detail of errors
  std::uint64_t names_ = 0;
  Trouble trouble_ = Trouble::none;
  bool lost_ = false;
  bool silent_ = false;
};

}  // namespace corbel::store
