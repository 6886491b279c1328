#include "postgres_connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "base/trace.h"
#include "contention.h"
#include "postgres_row.h"
#include "postgres_sql.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kOldestServer = 150'000;
constexpr std::size_t kPrepared = 512;
// The server stops a statement itself; one that has not answered for this long is not there.
constexpr milliseconds kGrace{2'000};
// After so long without an answer it is found out whether the server is there at all; then after
// twice that, and so on. With the time to connect it stays below the second that callers have.
constexpr milliseconds kUsual{300};
constexpr milliseconds kWithoutLimit{std::chrono::hours(24)};
constexpr const char* kNoAnswer = "the database does not answer; try again";

std::string_view stateOf(const PGresult* answer) {
  const char* const state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string_view() : std::string_view(state);
}

// SQLSTATE, appendix A of PostgreSQL's manual.
bool isConflict(std::string_view state) { return state == "40001" || state == "40P01"; }

// A migration has changed what a prepared statement was made for, or a proxy gave us another
// server's session.
bool isStalePlan(std::string_view state, std::string_view message) {
  return state == "26000" ||
         (state == "0A000" && message.find("cached plan") != std::string_view::npos);
}

std::pair<ErrorCode, const char*> meaningOf(std::string_view state) {
  if (state == "23505")
    return {ErrorCode::alreadyExists, "something with this name or id already exists"};
  if (state == "23503") {
    return {ErrorCode::failedPrecondition,
            "it refers to something that does not exist, or is still referred to"};
  }
  if (state.starts_with("23"))
    return {ErrorCode::failedPrecondition, "it breaks a rule of the stored data"};
  if (state == "57014")
    return {ErrorCode::deadlineExceeded, "the query took longer than allowed and was stopped"};
  if (isConflict(state)) return {ErrorCode::aborted, "it was changed at the same time; try again"};
  if (state == "53100")
    return {ErrorCode::insufficientStorage, "there is no room left to store this"};
  if (state == "42501" || state.starts_with("28"))
    return {ErrorCode::permissionDenied, "the database refuses this program's role"};
  if (state == "3D000") return {ErrorCode::failedPrecondition, "there is no such database"};
  // Resources, operator intervention, connections, a server that only reads.
  for (const std::string_view kind : {"53", "57", "08", "25006"}) {
    if (state.starts_with(kind)) return {ErrorCode::unavailable, kNoAnswer};
  }
  return {ErrorCode::internal, "the database could not do this"};
}

}  // namespace

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const PostgresTarget& target,
                                                                     const Session& session) {
  std::unique_ptr<PostgresConnection> made(new PostgresConnection());
  made->patience_ = made->openedAt_ + session.connectMax;
  CORBEL_CHECK(made->connect(target, session));
  CORBEL_CHECK(made->checkServer(target));
  CORBEL_CHECK(made->prepareSession(session));
  made->patience_ = steady_clock::time_point::max();
  made->isThere_ = session.isThere;
  return made;
}

Result<void> PostgresConnection::tryToConnect(const PostgresTarget& target,
                                              milliseconds connectMax) {
  PostgresConnection one;
  return one.connect(target, {.schema = {}, .connectMax = connectMax, .statementMax = connectMax});
}

Error PostgresConnection::noAnswer(std::string detail) {
  return {ErrorCode::unavailable, kNoAnswer, std::move(detail), {}};
}

bool PostgresConnection::isNoAnswer(const Error& error) { return error.message == kNoAnswer; }

Result<void> PostgresConnection::connect(const PostgresTarget& target, const Session& session) {
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : target.parameters) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  statementMax_ = session.connectMax;
  const auto until = steady_clock::now() + session.connectMax;
  for (auto step = PGRES_POLLING_WRITING; step != PGRES_POLLING_OK;
       step = PQconnectPoll(connection_.get())) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    pollfd socket{.fd = PQsocket(connection_.get()),
                  .events = static_cast<short>(step == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                  .revents = 0};
    const bool failed =
        step == PGRES_POLLING_FAILED || PQstatus(connection_.get()) == CONNECTION_BAD;
    if (!failed && left.count() > 0 && (poll(&socket, 1, static_cast<int>(left.count())) != 0))
      continue;
    const std::string detail = failed ? PQerrorMessage(connection_.get()) : "it took too long";
    const bool refused = detail.find("authentication failed") != std::string::npos ||
                         detail.find("no pg_hba.conf entry") != std::string::npos;
    return fail(refused ? ErrorCode::permissionDenied : ErrorCode::unavailable,
                fmt::format("the database server {} {}", target.name,
                            refused ? "refuses the user or the password" : "cannot be reached"),
                detail);
  }
  return {};
}

Result<void> PostgresConnection::checkServer(const PostgresTarget& target) const {
  const auto refuse = [&](std::string what) {
    return fail(ErrorCode::failedPrecondition,
                fmt::format("the database server {} {}", target.name, what));
  };
  if (PQserverVersion(connection_.get()) < kOldestServer)
    return refuse("is older than PostgreSQL 15");
  const char* const encoding = PQparameterStatus(connection_.get(), "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8")
    return refuse("has a database of another encoding than UTF8: make a new one");
  return {};
}

Result<void> PostgresConnection::prepareSession(const Session& session) {
  PQsetnonblocking(connection_.get(), 1);
  // Warnings are for people at a terminal.
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  CORBEL_CHECK(runScript(fmt::format(
      "SET search_path TO {}, pg_temp; SET statement_timeout TO {}; SET lock_timeout TO {}; "
      "SET idle_in_transaction_session_timeout TO 60000; SET standard_conforming_strings TO on; "
      "SELECT set_config('synchronous_commit', 'on', false) "
      "WHERE current_setting('synchronous_commit') = 'off'",
      session.schema, session.statementMax.count(), session.lockMax.count())));
  statementMax_ = session.statementMax;
  // The statistics begin anew when the server recovers, even where its first process has survived.
  const auto asked =
      ask("SELECT CAST(pg_postmaster_start_time() AS TEXT) || ' ' || "
          "(SELECT COALESCE(CAST(stats_reset AS TEXT), '') FROM pg_stat_wal)",
          {}, life_);
  if (!asked) return std::unexpected(asked.error());
  return {};
}

Result<void> PostgresConnection::ask(std::string_view sql, std::span<const Value> values,
                                     std::string& answer) {
  Visit visit = [&](const Row& row) {
    answer = row.text(0);
    return false;
  };
  CORBEL_CHECK(run(sql, values, visit));
  return {};
}

std::optional<PostgresConnection::Fate> PostgresConnection::fateOf(const std::string& transaction,
                                                                   const std::string& itsLife) {
  // The function refuses numbers that are not given out yet, as they may be again after a crash.
  std::string status;
  const std::array<Value, 2> values{std::string_view(transaction), std::string_view(transaction)};
  const auto asked =
      ask("SELECT CASE WHEN CAST(? AS xid8) >= pg_snapshot_xmax(pg_current_snapshot()) "
          "THEN 'in progress' ELSE COALESCE(pg_xact_status(CAST(? AS xid8)), 'unknown') END",
          values, status);
  if (!asked) return std::nullopt;
  const bool stillOpen = status == "in progress";
  // In another life, an open one is somebody else's; and so may be one that has committed.
  if (itsLife != life_) return stillOpen || status == "aborted" ? Fate::undone : Fate::unknown;
  if (stillOpen) return std::nullopt;
  if (status == "aborted") return Fate::undone;
  return status == "committed" ? Fate::committed : Fate::unknown;
}

Result<std::int64_t> PostgresConnection::run(std::string_view sql, std::span<const Value> values,
                                             Visit& visit) {
  trace::Span span("query");
  span.set("db.system.name", "postgresql");
  span.set("db.query.text", sql);
  running_ = sql;
  sendQueued();
  sendStatement(sql, values);
  sendEnd();
  Collected collected = collect();
  if (collected.error) {
    span.fail(collected.error->message);
    return std::unexpected(*std::move(collected.error));
  }
  const PGresult* const answer = collected.statement.get();
  for (int i = 0; i < PQntuples(answer); ++i) {
    const PostgresRow row(answer, i);
    const bool more = visit(row);
    if (!row.refusal().empty()) {
      return fail(ErrorCode::internal, "stored data is not as expected",
                  fmt::format("{}: {}", row.refusal(), sql));
    }
    if (!more) break;
  }
  if (collected.command.starts_with("SELECT")) return 0;
  const std::string_view changed =
      std::string_view(collected.command).substr(collected.command.rfind(' ') + 1);
  std::int64_t count = 0;
  std::from_chars(changed.data(), changed.data() + changed.size(), count);
  return count;
}

Result<void> PostgresConnection::run(std::string_view sql) {
  Visit ignore = [](const Row&) { return true; };
  CORBEL_CHECK(run(sql, {}, ignore));
  return {};
}

// Several statements in one text are possible outside pipeline mode only.
Result<void> PostgresConnection::runScript(const std::string& sql) {
  running_ = sql;
  sendQueued();
  if (!awaited_.empty()) {
    sendEnd();
    if (auto collected = collect(); collected.error)
      return std::unexpected(*std::move(collected.error));
  }
  if (PQpipelineStatus(connection_.get()) != PQ_PIPELINE_OFF) PQexitPipelineMode(connection_.get());
  prepared_.clear();  // the names stay taken, what they were made for may change
  std::optional<Error> error;
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0 || !flush()) error = lose();
  while (const Answer answer = next()) {
    const auto status = PQresultStatus(answer.get());
    if (status == PGRES_FATAL_ERROR && !error) error = toError(answer.get());
  }
  if (lost_ && !error) error = lose();
  if (!lost_ && PQenterPipelineMode(connection_.get()) == 0) error = lose();
  if (error) return std::unexpected(*std::move(error));
  return {};
}

void PostgresConnection::endQuietly() {
  queued_.clear();
  if (PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;  // nothing was begun
  send("ROLLBACK", Awaited::What::control, false);
  sendEnd(false);
  flush();
}

// The number is known before the commit is sent: if its answer is lost, the server can tell what
// became of it.
void PostgresConnection::queueBegin() {
  transaction_.clear();
  queue("BEGIN ISOLATION LEVEL SERIALIZABLE");
  queued_.push_back({"SELECT CAST(pg_current_xact_id() AS TEXT)", Awaited::What::transaction});
}

PostgresConnection::CommitOutcome PostgresConnection::commit() {
  running_ = "COMMIT";
  sendQueued();
  send("COMMIT", Awaited::What::control);
  sendEnd();
  Collected collected = collect();
  if (lost_) {
    return {.commit = Commit::inDoubt,
            .error = collected.error.value_or(Error{}),
            .transaction = transaction_,
            .life = life_,
            .silent = silent_};
  }
  if (collected.error) return {.commit = Commit::refused, .error = *std::move(collected.error)};
  if (collected.command != "COMMIT") {
    return {
        .commit = Commit::refused,
        .error = {ErrorCode::internal, "the change failed", "COMMIT: " + collected.command, {}}};
  }
  return {};
}

bool PostgresConnection::isAlive() {
  pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
  // To the end: behind the answer to a quiet end there may be a farewell.
  while (!lost_ && poll(&socket, 1, 0) > 0) lost_ = PQconsumeInput(connection_.get()) == 0;
  Collected ignored;
  while (!lost_ && !awaited_.empty() && PQisBusy(connection_.get()) == 0) collectNext(ignored);
  return !lost_;
}

void PostgresConnection::expect(int sent, Awaited awaited) {
  if (sent == 0) {
    lose();
  } else {
    awaited_.push_back(awaited);
  }
}

void PostgresConnection::sendQueued() {
  for (const auto& [sql, what] : std::exchange(queued_, {})) send(sql, what);
}

void PostgresConnection::send(const std::string& sql, Awaited::What what, bool matters) {
  expect(
      PQsendQueryParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0),
      {.what = what, .matters = matters});
}

void PostgresConnection::sendStatement(std::string_view sql, std::span<const Value> values) {
  const PostgresValues bound(values);
  Key key{sql.data(), sql.size(), PostgresValues::kindsOf(values)};
  const auto found = prepared_.find(key);
  if (found == prepared_.end() && prepared_.size() >= kPrepared) {
    expect(
        PQsendQueryParams(connection_.get(), withNumberedPlaceholders(sql).c_str(), bound.count(),
                          bound.types(), bound.starts(), bound.lengths(), bound.formats(), 1),
        {.what = Awaited::What::statement});
    return;
  }
  std::string name = found == prepared_.end() ? fmt::format("s{}", ++names_) : found->second;
  if (found == prepared_.end()) {
    expect(PQsendPrepare(connection_.get(), name.c_str(), withNumberedPlaceholders(sql).c_str(),
                         bound.count(), bound.types()),
           {.what = Awaited::What::prepare});
    preparing_.emplace(std::move(key), name);
  }
  expect(PQsendQueryPrepared(connection_.get(), name.c_str(), bound.count(), bound.starts(),
                             bound.lengths(), bound.formats(), 1),
         {.what = Awaited::What::statement});
}

void PostgresConnection::sendEnd(bool matters) {
  expect(PQpipelineSync(connection_.get()), {.what = Awaited::What::end, .matters = matters});
}

// false: nothing happened for too long, or the connection is lost.
bool PostgresConnection::await(short events) {
  const auto begun = steady_clock::now();
  const milliseconds most = statementMax_.count() == 0 ? kWithoutLimit : statementMax_ + kGrace;
  const auto until = std::min(begun + most, patience_);
  pollfd socket{.fd = PQsocket(connection_.get()), .events = events, .revents = 0};
  for (auto ask = begun + kUsual;;) {
    const auto next = isThere_ ? std::min(ask, until) : until;
    const auto left = std::chrono::ceil<milliseconds>(next - steady_clock::now());
    const int ready = poll(&socket, 1, std::max(static_cast<int>(left.count()), 0));
    if (ready > 0 && ((socket.revents & ~POLLOUT) == 0 || PQconsumeInput(connection_.get()) == 1))
      return true;
    const auto now = steady_clock::now();
    if (ready < 0 && errno == EINTR) continue;
    if (ready != 0) break;
    silent_ = now >= until || (now >= ask && !isThere_(begun));
    if (silent_) break;
    if (now >= ask) ask = now + (now - begun);
  }
  lose();
  return false;
}

bool PostgresConnection::flush() {
  for (;;) {
    if (lost_) return false;
    const int left = PQflush(connection_.get());
    if (left == 0) return true;
    if (left < 0) {
      lose();
      return false;
    }
    // The server may stop reading until its answers are read.
    if (!await(POLLIN | POLLOUT)) return false;
  }
}

PostgresConnection::Answer PostgresConnection::next() {
  while (!lost_ && PQisBusy(connection_.get()) == 1) {
    if (!await(POLLIN)) return nullptr;
  }
  if (lost_) return nullptr;
  Answer answer(PQgetResult(connection_.get()));
  if (PQstatus(connection_.get()) != CONNECTION_OK) lost_ = true;
  return answer;
}

PostgresConnection::Collected PostgresConnection::collect() {
  Collected collected;
  flush();
  while (!awaited_.empty() && !lost_) collectNext(collected);
  preparing_.reset();
  if (lost_) {
    awaited_.clear();
    if (!collected.error) collected.error = lose();
  }
  return collected;
}

void PostgresConnection::collectNext(Collected& collected) {
  if (Answer answer = next()) return collectOne(std::move(answer), collected);
  if (lost_) return;
  // All answers to this one have come.
  const Awaited done = awaited_.front();
  awaited_.pop_front();
  if (done.what == Awaited::What::prepare && done.good && preparing_)
    prepared_.insert(*std::exchange(preparing_, {}));
}

void PostgresConnection::collectOne(Answer answer, Collected& collected) {
  Awaited& front = awaited_.front();
  switch (PQresultStatus(answer.get())) {
    case PGRES_PIPELINE_SYNC:
      awaited_.pop_front();
      return;
    case PGRES_PIPELINE_ABORTED:
      return;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      front.good = true;
      collected.command = PQcmdStatus(answer.get());
      if (front.what == Awaited::What::transaction && PQntuples(answer.get()) == 1)
        transaction_ = PQgetvalue(answer.get(), 0, 0);
      if (front.what == Awaited::What::statement) collected.statement = std::move(answer);
      return;
    default:
      if (!front.matters) return;
      if (front.what == Awaited::What::control) trouble_ = Trouble::conflict;
      if (Error error = toError(answer.get()); !collected.error) collected.error = std::move(error);
  }
}

Error PostgresConnection::toError(const PGresult* answer) {
  const std::string_view state = stateOf(answer);
  // Without its DETAIL, which would show stored values.
  const char* const text = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
  const char* const rule = PQresultErrorField(answer, PG_DIAG_CONSTRAINT_NAME);
  const std::string message = fmt::format(
      "{} {}", text == nullptr ? PQresultErrorMessage(answer) : text, rule == nullptr ? "" : rule);
  if (isConflict(state)) trouble_ = Trouble::conflict;
  if (isStalePlan(state, message)) {
    trouble_ = Trouble::conflict;
    prepared_.clear();
  }
  if (state.empty() || state.starts_with("57P")) lost_ = true;
  std::string detail = fmt::format("PostgreSQL {}: {}: {}", state, trim(message), running_);
  if (state == "55P03") return contendedError(std::move(detail));
  const auto [code, meaning] = meaningOf(state.empty() ? "08006" : state);
  return {code, meaning, std::move(detail), {}};
}

Error PostgresConnection::lose() {
  lost_ = true;
  return noAnswer(
      fmt::format("PostgreSQL: {}: {}", trim(PQerrorMessage(connection_.get())), running_));
}

}  // namespace corbel::store
