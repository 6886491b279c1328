#include "store/postgres_dump.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "postgres_target.h"

namespace corbel::store {
namespace {

constexpr const char* kConnectSeconds = "5";

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct Close {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Answer = std::unique_ptr<PGresult, Clear>;
using Rows = std::vector<std::vector<std::string>>;

// COPY cannot be spoken in the pipeline mode of PostgresConnection.
class Session {
 public:
  static Result<Session> open(const PostgresOptions& options) {
    CORBEL_TRY(const PostgresTarget target, targetOf(options));
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (const auto& [name, value] : target.parameters) {
      names.push_back(name.c_str());
      values.push_back(value.c_str());
    }
    names.insert(names.end(), {"connect_timeout", nullptr});
    values.insert(values.end(), {kConnectSeconds, nullptr});
    Session session;
    session.connection_.reset(PQconnectdbParams(names.data(), values.data(), 0));
    PGconn* raw = session.connection_.get();
    if (PQstatus(raw) != CONNECTION_OK) {
      return fail(ErrorCode::unavailable,
                  fmt::format("the database server {} cannot be reached", target.name),
                  PQerrorMessage(raw));
    }
    PQsetNoticeProcessor(raw, [](void*, const char*) {}, nullptr);
    CORBEL_CHECK(session.run("SET search_path TO " + options.schema + ", pg_temp"));
    return session;
  }

  Result<Rows> query(const std::string& sql, std::vector<const char*> values = {}) {
    const Answer answer(PQexecParams(connection_.get(), sql.c_str(),
                                     static_cast<int>(values.size()), nullptr, values.data(),
                                     nullptr, nullptr, 0));
    const auto status = PQresultStatus(answer.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return failure(sql);
    Rows rows;
    for (int row = 0; row < PQntuples(answer.get()); ++row) {
      auto& columns = rows.emplace_back();
      for (int column = 0; column < PQnfields(answer.get()); ++column)
        columns.emplace_back(PQgetvalue(answer.get(), row, column));
    }
    return rows;
  }
  Result<void> run(const std::string& sql) {
    CORBEL_CHECK(query(sql));
    return {};
  }

  Result<void> copyOut(const std::string& sql, const PostgresDump::Take& take) {
    const Answer answer(PQexec(connection_.get(), sql.c_str()));
    if (PQresultStatus(answer.get()) != PGRES_COPY_OUT) return failure(sql);
    char* raw = nullptr;
    int length = 0;
    while ((length = PQgetCopyData(connection_.get(), &raw, 0)) > 0) {
      const std::unique_ptr<char, decltype(&PQfreemem)> row(raw, PQfreemem);
      CORBEL_CHECK(take(std::as_bytes(std::span(raw, static_cast<std::size_t>(length)))));
    }
    return finishCopy(sql);
  }

  Result<void> copyIn(const std::string& sql,
                      const std::function<Result<void>(const PostgresDump::Take&)>& give) {
    const Answer answer(PQexec(connection_.get(), sql.c_str()));
    if (PQresultStatus(answer.get()) != PGRES_COPY_IN) return failure(sql);
    const auto given = give([&](std::span<const std::byte> bytes) -> Result<void> {
      const auto* text = reinterpret_cast<const char*>(bytes.data());
      if (PQputCopyData(connection_.get(), text, static_cast<int>(bytes.size())) != 1)
        return failure(sql);
      return {};
    });
    PQputCopyEnd(connection_.get(), given ? nullptr : "given up");
    const auto finished = finishCopy(sql);
    return given ? finished : given;
  }

 private:
  Result<void> finishCopy(const std::string& sql) {
    Result<void> outcome;
    while (const Answer answer{PQgetResult(connection_.get())}) {
      if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK && outcome) outcome = failure(sql);
    }
    return outcome;
  }
  std::unexpected<Error> failure(const std::string& sql) {
    return fail(ErrorCode::unavailable,
                fmt::format("the database server: {}", PQerrorMessage(connection_.get())), sql);
  }

  std::unique_ptr<PGconn, Close> connection_;
};

// Those that others refer to first; Kahn, "Topological sorting of large networks", 1962. Circles,
// which there are none of, would come last.
std::vector<std::string> inOrder(const Rows& names, const Rows& references) {
  std::map<std::string, std::set<std::string>> needs;
  for (const auto& row : names) needs[row[0]];
  for (const auto& row : references) {
    if (row[0] != row[1]) needs[row[0]].insert(row[1]);
  }
  std::vector<std::string> order;
  while (!needs.empty()) {
    auto next = std::ranges::find_if(needs, [](const auto& entry) { return entry.second.empty(); });
    if (next == needs.end()) next = needs.begin();
    order.push_back(next->first);
    needs.erase(next);
    for (auto& [name, others] : needs) others.erase(order.back());
  }
  return order;
}

Result<std::vector<DumpedTable>> tablesOf(Session& session, const std::string& schema) {
  CORBEL_TRY(const Rows names,
             session.query("SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = (SELECT "
                           "oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND relkind IN "
                           "('r', 'p') AND NOT relispartition",
                           {schema.c_str()}));
  CORBEL_TRY(const Rows references,
             session.query("SELECT a.relname, b.relname FROM pg_catalog.pg_constraint c JOIN "
                           "pg_catalog.pg_class a ON a.oid = c.conrelid JOIN pg_catalog.pg_class b "
                           "ON b.oid = c.confrelid WHERE c.contype = 'f' AND c.connamespace = "
                           "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)",
                           {schema.c_str()}));
  std::vector<DumpedTable> tables;
  for (const std::string& name : inOrder(names, references)) {
    CORBEL_TRY(const Rows columns,
               session.query("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM "
                             "pg_catalog.pg_attribute WHERE attrelid = CAST($1 AS regclass) AND "
                             "attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                             {name.c_str()}));
    tables.push_back({name, columns.at(0).at(0)});
  }
  return tables;
}

class Dump final : public PostgresDump {
 public:
  explicit Dump(Session session) : session_(std::move(session)) {}

  Result<void> begin(const std::string& schema) {
    CORBEL_CHECK(session_.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    CORBEL_TRY(tables_, tablesOf(session_, schema));
    if (std::ranges::find(tables_, "schema_migrations", &DumpedTable::name) == tables_.end())
      return fail(ErrorCode::notFound, "the schema " + schema + " has no tables of Corbel");
    CORBEL_TRY(const Rows rows, session_.query("SELECT version, name, checksum, applied_at FROM "
                                               "schema_migrations ORDER BY version"));
    for (const auto& row : rows) {
      migrations_.push_back({std::atoi(row[0].c_str()), row[1], row[2],
                             Timestamp(std::chrono::milliseconds(std::atoll(row[3].c_str())))});
    }
    return {};
  }

  const std::vector<AppliedMigration>& migrations() const override { return migrations_; }
  const std::vector<DumpedTable>& tables() const override { return tables_; }
  Result<void> copy(const DumpedTable& table, const Take& take) override {
    return session_.copyOut(fmt::format("COPY {} ({}) TO STDOUT", table.name, table.columns), take);
  }

 private:
  Session session_;
  std::vector<AppliedMigration> migrations_;
  std::vector<DumpedTable> tables_;
};

// What a manifest names must be a plain name: it becomes part of SQL.
bool isPlain(const DumpedTable& table) {
  const auto isFine = [](std::string_view extra) {
    return [extra](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || extra.contains(c);
    };
  };
  return !table.name.empty() && std::ranges::all_of(table.name, isFine("")) &&
         std::ranges::all_of(table.columns, isFine(", \""));
}

}  // namespace

Result<std::unique_ptr<PostgresDump>> dumpPostgres(const PostgresOptions& options) {
  CORBEL_TRY(auto session, Session::open(options));
  auto dump = std::make_unique<Dump>(std::move(session));
  CORBEL_CHECK(dump->begin(options.schema));
  return dump;
}

Result<bool> hasTables(const PostgresOptions& options) {
  CORBEL_TRY(auto session, Session::open(options));
  CORBEL_TRY(const auto tables, tablesOf(session, options.schema));
  return !tables.empty();
}

Result<void> dropSchema(const PostgresOptions& options) {
  CORBEL_TRY(auto session, Session::open(options));
  return session.run("DROP SCHEMA IF EXISTS " + options.schema + " CASCADE");
}

Result<void> takePlace(const PostgresOptions& options, const std::string& name,
                       const std::string& aside) {
  CORBEL_TRY(auto session, Session::open(options));
  CORBEL_CHECK(session.run("BEGIN"));
  CORBEL_CHECK(session.run(
      fmt::format("DO $$ BEGIN IF to_regnamespace('{0}') IS NOT NULL THEN EXECUTE 'ALTER SCHEMA "
                  "{0} RENAME TO {1}'; END IF; END $$",
                  name, aside)));
  CORBEL_CHECK(session.run(fmt::format("ALTER SCHEMA {} RENAME TO {}", options.schema, name)));
  return session.run("COMMIT");
}

Result<void> loadPostgres(const PostgresOptions& options, std::span<const DumpedTable> tables,
                          const Give& give) {
  std::string names;
  for (const DumpedTable& table : tables) {
    if (!isPlain(table))
      return fail(ErrorCode::unprocessable, "The file is damaged: it names no table of Corbel.");
    names += names.empty() ? table.name : ", " + table.name;
  }
  CORBEL_TRY(auto session, Session::open(options));
  CORBEL_CHECK(session.run("BEGIN"));
  CORBEL_CHECK(session.run("TRUNCATE " + names));
  for (const DumpedTable& table : tables) {
    CORBEL_CHECK(session.copyIn(fmt::format("COPY {} ({}) FROM STDIN", table.name, table.columns),
                                [&](const PostgresDump::Take& row) { return give(table, row); }));
  }
  return session.run("COMMIT");
}

}  // namespace corbel::store
