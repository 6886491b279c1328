// Reader and Transaction over a connection to a PostgreSQL server.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "postgres_connection.h"
#include "postgres_sql.h"
#include "store/store.h"

namespace corbel::store {

// Statements that begin after the deadline fail; one that runs is stopped by the server.
class PostgresSession {
 public:
  PostgresSession(PostgresConnection& connection, Deadline deadline, const Clock& clock)
      : connection_(connection), deadline_(deadline), clock_(clock) {}

  Result<std::int64_t> run(const Statement& statement, std::span<const Value> values,
                           PostgresConnection::Visit& visit) {
    if (deadline_.expired(clock_)) {
      return fail(ErrorCode::deadlineExceeded,
                  "the query took longer than allowed and was stopped");
    }
    return connection_.run(statement.postgres, values, visit);
  }
  PostgresConnection& connection() { return connection_; }

 private:
  PostgresConnection& connection_;
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
