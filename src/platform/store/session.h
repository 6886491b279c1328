// Reader and Transaction over a connection to a file.
#pragma once
#include <string_view>

#include "base/clock.h"
#include "connection.h"
#include "store/store.h"

namespace corbel::store {

class SqliteReader final : public Reader {
 public:
  SqliteReader(Connection& connection, const Clock& clock)
      : connection_(connection), clock_(clock) {}
  Result<Timestamp> now() override { return clock_.now(); }

 private:
  Result<std::int64_t> runNow(const Statement& statement, std::span<const Value> values,
                              Visit& visit) override {
    return connection_.run(statement.sqlite, values, visit);
  }
  Connection& connection_;
  const Clock& clock_;
};

class SqliteTransaction final : public Transaction {
 public:
  SqliteTransaction(Connection& connection, const Clock& clock)
      : connection_(connection), clock_(clock) {}
  Result<Timestamp> now() override { return clock_.now(); }

 private:
  Result<std::int64_t> runNow(const Statement& statement, std::span<const Value> values,
                              Visit& visit) override {
    return connection_.run(statement.sqlite, values, visit);
  }
  Result<void> runScript(std::string_view sql) override { return connection_.runScript(sql); }
  Connection& connection_;
  const Clock& clock_;
};

}  // namespace corbel::store
