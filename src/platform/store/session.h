// Reader and Transaction over a connection.
#pragma once
#include <sqlite3.h>

#include <string_view>

#include "connection.h"
#include "store/store.h"

namespace corbel::store {

class SqliteReader final : public Reader {
 public:
  explicit SqliteReader(Connection& connection) : connection_(connection) {}

 private:
  Result<std::int64_t> run(std::string_view sql, std::span<const Value> values,
                           Visit& visit) override {
    return connection_.run(sql, values, visit);
  }
  Connection& connection_;
};

class SqliteTransaction final : public Transaction {
 public:
  explicit SqliteTransaction(Connection& connection) : connection_(connection) {}

 private:
  Result<std::int64_t> run(std::string_view sql, std::span<const Value> values,
                           Visit& visit) override {
    return connection_.run(sql, values, visit);
  }
  Result<void> runScript(std::string_view sql) override { return connection_.runScript(sql); }
  Connection& connection_;
};

}  // namespace corbel::store
