// The database: reads on many connections, writes in groups. SQLite in a data folder, or a
// PostgreSQL server; features see no difference. A write that was acknowledged survives a killed
// process and a power cut. Knows no tables: every feature owns its own.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/companion.h"
#include "store/sql.h"

namespace corbel::resilience {
class Dependency;
struct DependencyParts;
}  // namespace corbel::resilience

namespace corbel::store {

class Reader;

// A statement with its values, run by exactly one of the functions, within the expression that made
// it:
//   reader.query("SELECT name FROM models WHERE id = ?", id).one(nameOf)
// Outcomes of all: invalid_argument (a text is no UTF-8 or has U+0000 in it), payload_too_large (a
// value of more than 16 MiB), deadline_exceeded, internal (damage, or a column of another type),
// unavailable (no connection), and whatever the statement itself meets when it writes
// (INSERT … RETURNING): see Transaction.
template <std::size_t Count>
class [[nodiscard]] Query {
 public:
  Query(Reader& reader, const Statement& statement, std::array<Value, Count> values)
      : reader_(reader), statement_(statement), values_(values) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // map(row) of every row, in order. The caller bounds their number by LIMIT.
  template <class Map>
  auto all(Map&& map) && -> Result<std::vector<std::invoke_result_t<Map&, const Row&>>>;
  // map(row) of the first row, if there is one.
  template <class Map>
  auto one(Map&& map) && -> Result<std::optional<std::invoke_result_t<Map&, const Row&>>>;
  // Result<void> each(row): an error ends the query and is its outcome.
  template <class Each>
  Result<void> each(Each&& each) &&;

 private:
  Reader& reader_;
  Statement statement_;
  std::array<Value, Count> values_;
};

// Valid within the function it was given to, for the thread that runs it. All queries of one Reader
// see one snapshot. After a statement that failed, every later one fails with the same error. No
// query within the function that looks at the rows of another: that is internal, too.
class Reader {
 public:
  Reader() = default;
  virtual ~Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  template <class... Values>
  Query<sizeof...(Values)> query(Sql<sizeof...(Values)> sql, const Values&... values) {
    return {*this, sql.statement(), {toValue(values)...}};
  }
  // Of the database: the server's on PostgreSQL, so that all processes agree.
  virtual Result<Timestamp> now() = 0;
  // Of the first statement that failed.
  const std::optional<Error>& failure() const { return failure_; }

 protected:
  template <std::size_t>
  friend class Query;
  // Each row to `visit` until it answers false; the number of rows the statement changed.
  using Visit = std::move_only_function<bool(const Row&)>;
  Result<std::int64_t> run(const Statement& statement, std::span<const Value> values, Visit& visit);
  // Remembers a failure.
  Result<std::int64_t> noted(Result<std::int64_t> outcome);

 private:
  virtual Result<std::int64_t> runNow(const Statement& statement, std::span<const Value> values,
                                      Visit& visit) = 0;
  std::optional<Error> failure_;
  bool visiting_ = false;
};

// Outcomes of a statement that writes: already_exists (a unique key is taken), failed_precondition
// (it refers to something missing, or a rule of the table does not hold), insufficient_storage,
// deadline_exceeded, internal. A unit in which a statement failed is undone, whatever its function
// returns.
class Transaction : public Reader {
 public:
  template <class... Values>
  Result<void> execute(Sql<sizeof...(Values)> sql, const Values&... values) {
    CORBEL_CHECK(change(sql, values...));
    return {};
  }
  // How many rows were inserted, updated or deleted.
  template <class... Values>
  Result<std::int64_t> change(Sql<sizeof...(Values)> sql, const Values&... values) {
    Visit ignore = [](const Row&) { return true; };
    const std::array<Value, sizeof...(Values)> bound{toValue(values)...};
    return run(sql.statement(), bound, ignore);
  }

  // Called after the commit, before UnitOfWork::done, on the same terms. Forgotten when the unit is
  // undone or run again.
  void afterCommit(std::move_only_function<void()> fn) { afterCommit_.push_back(std::move(fn)); }
  // Says what the unit is about, as in "keys/019b…"; the first word counts.
  void about(std::string_view object) {
    if (object_.empty()) object_ = object;
  }
  const std::string& object() const { return object_; }
  std::vector<std::move_only_function<void()>> takeAfterCommit() { return std::move(afterCommit_); }

 private:
  friend class MigrationRunner;
  virtual Result<void> runScript(std::string_view sql) = 0;
  std::vector<std::move_only_function<void()>> afterCommit_;
  std::string object_;
};

enum class UnitClass : std::uint8_t {
  durable,
  bestEffort,  // may be lost in the last moments before a crash, and is refused first when much is
               // waiting: what can be computed again
};

// What is committed together or not at all: an effect with every record that belongs to it.
struct UnitOfWork {
  // Runs on a writer's thread, possibly more than once, and units beside each other: no side effect
  // but SQL, no waiting. An error undoes what this unit did, and only that, and is its outcome.
  std::move_only_function<Result<void>(Transaction&)> apply;
  // Called exactly once with the outcome, after the commit. Runs on a writer's thread (or within
  // write() when the unit is refused at once), so it must neither wait nor write and must not
  // throw.
  std::move_only_function<void(Result<void>)> done;
  // A unit that has not begun by then is not begun; one that still runs is undone.
  Deadline deadline = Deadline::never();
  UnitClass unitClass = UnitClass::durable;
  // Has SQLite's writer to itself, with foreign keys checked at the end instead of at every
  // statement, and no limit of time on PostgreSQL: for migrations that replace tables.
  bool rebuildsTables = false;
};

struct QueueOptions {
  std::size_t durableMax = 16'384;    // units waiting
  std::size_t bestEffortMax = 1'024;  // units waiting
};

enum class Durability : std::uint8_t {
  full,   // what was acknowledged survives a power cut
  cache,  // the last commits may be lost in a power cut; little memory is used
};

struct SqliteOptions {
  std::filesystem::path dataFolder;  // made with mode 700 when missing; its files have mode 600
  std::string fileName = "corbel.db";
  int readersMax = limits::kReadersMax;
  Durability durability = Durability::full;
  QueueOptions queue = {};
  std::chrono::milliseconds readMax{
      5'000};  // a longer read would keep the write-ahead log from being reused
  std::optional<std::uint64_t> fileBytesMax =
      {};  // the database file grows no further; none: until the disk is full
};

struct PostgresOptions {
  // postgres://user:password@host:port/name?sslmode=… , see docs/postgresql.md. The server is
  // verified (sslmode verify-full) unless it is on this machine or sslmode says disable.
  Secret url;
  std::string schema = "corbel";  // made when it is missing; a plain lower-case name
  std::string applicationName = "corbel";
  int connectionsMax = limits::kReadersMax;  // of this process, writers included
  int writers = 4;
  QueueOptions queue = {};
  std::chrono::milliseconds connectMax{500};
  std::chrono::milliseconds poolWaitMax{200};  // for a connection to read on
  std::chrono::milliseconds readMax{5'000};    // of one read
  std::chrono::milliseconds writeMax{10'000};  // of one statement that writes
  // For somebody else's lock. Units without a deadline wait for 5 s.
  std::chrono::milliseconds lockMax{400};
  // Must outlive the database, which is then the dependency "store" and refuses at once while the
  // server does not answer. Null: whoever calls finds out.
  const resilience::DependencyParts* guard = nullptr;
};

enum class StoreState : std::uint8_t {
  ok,
  unreachable,  // PostgreSQL does not answer: reads and writes fail, and are tried again all the
                // time
  full,         // the last commit found no room; reads go on, writes are tried again and heal this
  stopped,  // an I/O error or damage: what the disk holds is in doubt. Reads go on, writes never;
            // restart the process
};

// Since start, but for the last group.
struct DatabaseStats {
  std::uint64_t unitsCommitted = 0;
  std::uint64_t unitsFailed = 0;
  std::uint64_t unitsRefused = 0;  // queue full, or stopped
  std::uint64_t groups = 0;        // commits
  std::uint64_t largestGroup = 0;
  std::uint64_t reads = 0;
  std::uint64_t readsThatWaited = 0;  // for a connection
  std::uint64_t readWaitUs = 0;
  std::uint64_t queueDepth = 0;   // now
  std::uint64_t readersOpen = 0;  // now
  std::uint64_t logPages = 0;     // now: pages in the write-ahead log
};

// The outcome of a write whose COMMIT was sent and not answered: it may have happened or not. Look
// before trying again. Its code is internal.
bool isInDoubt(const Error& error);

// Holds what openMigrationLock() took as long as it lives.
class MigrationLock {
 public:
  virtual ~MigrationLock() = default;
};

// Thread-safe. The destructor commits what is queued; nobody may call by then.
class Database {
 public:
  static constexpr std::chrono::seconds kCheckMax{60};

  virtual ~Database() = default;

  // Result<T> fn(Reader&), on a connection of its own, in the calling thread, on one snapshot.
  // deadline_exceeded: no connection came free, or a query was stopped. unavailable: no connection
  // came free for PostgresOptions::poolWaitMax, somebody else's lock was in the way for lockMax, or
  // the server does not answer (within a second; at once while that is known). Reads do not nest.
  template <class Read>
  auto read(Read&& fn, Deadline deadline) -> std::invoke_result_t<Read&, Reader&>;

  // Queues the unit and returns at once. A unit that is queued after another's `done` was called is
  // applied after it; otherwise there is no order.
  // Outcomes besides apply's own: unavailable (the queue is full, the store has stopped or cannot
  // be reached, or somebody else's lock was in the way; nothing was done), aborted (it lost against
  // concurrent changes twice; nothing was done), deadline_exceeded, insufficient_storage, internal
  // (the commit failed: isInDoubt(); SQLite's store has stopped then).
  virtual void write(UnitOfWork unit) = 0;

  // Result<T> fn(Transaction&), and waits for its commit. May return a little after the deadline:
  // once begun, the outcome is awaited, so that deadline_exceeded always means that nothing was
  // done.
  template <class Write>
    requires std::invocable<Write&, Transaction&>
  auto write(Write&& fn, Deadline deadline) -> std::invoke_result_t<Write&, Transaction&>;

  // Reads every page and index of a file; asks a server whether it is there. failed_precondition:
  // damaged (the detail says where), and writes stop.
  virtual Result<void> checkIntegrity(Deadline deadline) = 0;

  virtual StoreState state() const = 0;
  // False when the store has stopped.
  bool healthy() const { return state() != StoreState::stopped; }
  bool reachable() const { return healthy() && state() != StoreState::unreachable; }
  virtual DatabaseStats stats() const = 0;
  // As long as the database. Null: there is none; see PostgresOptions::guard.
  virtual const resilience::Dependency* dependency() const { return nullptr; }

  // One at a time over all processes that use the database; waits up to a minute. unavailable.
  virtual Result<std::unique_ptr<MigrationLock>> openMigrationLock() = 0;
  // As write(fn, deadline), of any unit but for its `done`.
  virtual Result<void> writeAndWait(UnitOfWork unit) = 0;

 private:
  virtual Result<void> readOn(std::move_only_function<Result<void>(Reader&)> fn,
                              Deadline deadline) = 0;
};

// Opens or creates the database of options.dataFolder and takes the folder for this process.
// `clock` must outlive it. The messages are for the operator and name the folder:
// unavailable: in use by another process. permission_denied: the folder or file cannot be made or
// written. failed_precondition: on a network file system, or the file is not a Corbel database or
// is damaged. insufficient_storage: the disk is full.
// Where a database has stopped before, the whole file is read first, for at most kCheckMax: a
// damaged one is refused every time, instead of stopping again and again.
Result<std::unique_ptr<Database>> openSqlite(const SqliteOptions& options, const Clock& clock);

// Connects, and makes the schema where it is missing. `clock` must outlive it. The messages are for
// the operator and name the server, never the password: invalid_argument (the URL), unavailable (it
// cannot be reached), permission_denied (it refuses the role), failed_precondition (older than 15,
// or another encoding than UTF-8).
Result<std::unique_ptr<Database>> openPostgres(const PostgresOptions& options, const Clock& clock);

// "": nothing is wrong with the URL, else what; never shows the password.
std::string checkPostgresUrl(std::string_view url);

template <std::size_t Count>
template <class Map>
auto Query<Count>::all(
    Map&& map) && -> Result<std::vector<std::invoke_result_t<Map&, const Row&>>> {
  std::vector<std::invoke_result_t<Map&, const Row&>> found;
  Reader::Visit visit = [&](const Row& row) {
    found.push_back(std::invoke(map, row));
    return true;
  };
  CORBEL_CHECK(reader_.run(statement_, values_, visit));
  return found;
}

template <std::size_t Count>
template <class Map>
auto Query<Count>::one(
    Map&& map) && -> Result<std::optional<std::invoke_result_t<Map&, const Row&>>> {
  std::optional<std::invoke_result_t<Map&, const Row&>> found;
  Reader::Visit visit = [&](const Row& row) {
    found.emplace(std::invoke(map, row));
    return false;
  };
  CORBEL_CHECK(reader_.run(statement_, values_, visit));
  return found;
}

template <std::size_t Count>
template <class Each>
Result<void> Query<Count>::each(Each&& each) && {
  Result<void> outcome;
  Reader::Visit visit = [&](const Row& row) {
    outcome = std::invoke(each, row);
    return outcome.has_value();
  };
  CORBEL_CHECK(reader_.run(statement_, values_, visit));
  return outcome;
}

namespace detail {

// Runs fn(argument), keeps its value and passes on whether it failed: what crosses the virtual
// functions is Result<void>.
template <class Outcome, class Fn, class Argument>
Result<void> keep(std::optional<Outcome>& outcome, Fn& fn, Argument& argument) {
  outcome.emplace(std::invoke(fn, argument));
  if (!*outcome) return std::unexpected(outcome->error());
  return {};
}

}  // namespace detail

template <class Read>
auto Database::read(Read&& fn, Deadline deadline) -> std::invoke_result_t<Read&, Reader&> {
  std::optional<std::invoke_result_t<Read&, Reader&>> outcome;
  CORBEL_CHECK(readOn([&](Reader& reader) { return detail::keep(outcome, fn, reader); }, deadline));
  return *std::move(outcome);
}

template <class Write>
  requires std::invocable<Write&, Transaction&>
auto Database::write(Write&& fn, Deadline deadline) -> std::invoke_result_t<Write&, Transaction&> {
  std::optional<std::invoke_result_t<Write&, Transaction&>> outcome;
  CORBEL_CHECK(writeAndWait(
      {.apply = [&, companion = Accompanied::companion()](Transaction& tx) -> Result<void> {
         CORBEL_CHECK(detail::keep(outcome, fn, tx));
         return companion == nullptr ? Result<void>() : companion->join(tx);
       },
       .done = {},
       .deadline = deadline}));
  return *std::move(outcome);
}

}  // namespace corbel::store
