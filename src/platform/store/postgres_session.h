// Reader and Transaction over a connection to a PostgreSQL server.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "contention.h"
#include "postgres_connection.h"
#include "postgres_sql.h"
#include "store/store.h"

namespace corbel::store {

// The server stops what runs at the deadline; one that has not done so a little later is not waited
// for.
inline std::chrono::steady_clock::time_point patienceUntil(Deadline deadline, const Clock& clock) {
  constexpr std::chrono::milliseconds kGrace{250};
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24);
  return std::chrono::steady_clock::now() + std::min(deadline.remaining(clock), kLongest) + kGrace;
}

// Statements that begin after the deadline fail; one that runs is stopped by the server. Nobody
// waits for a lock that others have waited for in vain.
class PostgresSession {
 public:
  PostgresSession(PostgresConnection& connection, Contention& contention, Deadline deadline,
                  const Clock& clock)
      : connection_(connection), contention_(contention), deadline_(deadline), clock_(clock) {}

  Result<std::int64_t> run(const Statement& statement, std::span<const Value> values,
                           PostgresConnection::Visit& visit) {
    if (deadline_.expired(clock_)) {
      return fail(ErrorCode::deadlineExceeded,
                  "the query took longer than allowed and was stopped");
    }
    const std::string_view sql = statement.postgres;
    CORBEL_TRY(const auto ticket, contention_.enter(sql, std::chrono::steady_clock::now()));
    auto outcome = connection_.run(sql, values, visit);
    contention_.leave(sql, ticket, outcome ? nullptr : &outcome.error(),
                      std::chrono::steady_clock::now());
    return outcome;
  }
  PostgresConnection& connection() { return connection_; }

 private:
  PostgresConnection& connection_;
  Contention& contention_;
  const Deadline deadline_;
  const Clock& clock_;
};

inline Result<Timestamp> serverTime(Reader& reader) {
  constexpr Sql<0> kNow(
      "SELECT 0", "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)");
  CORBEL_TRY(const auto now, reader.query(kNow).one([](const Row& row) { return row.time(0); }));
  return now.value_or(Timestamp());
}

class PostgresReader final : public Reader {
 public:
  explicit PostgresReader(PostgresSession session) : session_(session) {}
  Result<Timestamp> now() override { return serverTime(*this); }

 private:
  Result<std::int64_t> runNow(const Statement& statement, std::span<const Value> values,
                              Visit& visit) override {
    return session_.run(statement, values, visit);
  }
  PostgresSession session_;
};

class PostgresTransaction final : public Transaction {
 public:
  explicit PostgresTransaction(PostgresSession session) : session_(session) {}

  Result<Timestamp> now() override { return serverTime(*this); }

 private:
  Result<std::int64_t> runNow(const Statement& statement, std::span<const Value> values,
                              Visit& visit) override {
    return session_.run(statement, values, visit);
  }
  Result<void> runScript(std::string_view sql) override {
    auto run = session_.connection().runScript(withPostgresTypes(sql));
    if (!run) return std::unexpected(noted(std::unexpected(std::move(run).error())).error());
    return {};
  }
  PostgresSession session_;
};

}  // namespace corbel::store
