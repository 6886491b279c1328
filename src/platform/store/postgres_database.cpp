#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "condition.h"
#include "in_doubt.h"
#include "postgres_connection.h"
#include "postgres_pool.h"
#include "postgres_server.h"
#include "postgres_target.h"
#include "postgres_writer.h"
#include "resilience/dependency.h"
#include "store/store.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

// Longer than any migration of tables that are in use should take.
constexpr milliseconds kMigrationWait{60'000};

bool isPlainName(std::string_view name) {
  const auto isPlain = [](char c) {
    return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() < 64 && std::ranges::all_of(name, isPlain) &&
         (name.front() < '0' || name.front() > '9') && !name.starts_with("pg_");
}

class PostgresMigrationLock final : public MigrationLock {
 public:
  explicit PostgresMigrationLock(std::unique_ptr<PostgresConnection> connection)
      : connection_(std::move(connection)) {}

 private:
  std::unique_ptr<PostgresConnection> connection_;  // the lock goes with it
};

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(PostgresTarget target, const PostgresOptions& options, const Clock& clock)
      : clock_(clock),
        server_(std::move(target), options, condition_),
        readers_(server_, options.connectionsMax - options.writers, clock) {
    if (options.guard != nullptr) dependency_.emplace(dependencyOptions(), *options.guard);
  }

  Result<void> start();

  void write(UnitOfWork unit) override;
  Result<void> writeAndWait(UnitOfWork unit) override {
    const Deadline deadline = unit.deadline;
    return guarded(deadline, [&] { return writer_->writeAndWait(std::move(unit)); });
  }
  Result<void> checkIntegrity(Deadline deadline) override {
    return read(
        [](Reader& reader) -> Result<void> {
          CORBEL_CHECK(reader.query("SELECT 1").one([](const Row&) { return true; }));
          return {};
        },
        deadline);
  }
  // The server's own vacuum does that.
  Result<void> scrub(Deadline) override { return {}; }
  // Whoever is told that it is reachable must not be refused.
  StoreState state() const override {
    const StoreState state = condition_.state();
    const bool isRefused = state == StoreState::ok && dependency_ && dependency_->isOpen();
    return isRefused ? StoreState::unreachable : state;
  }
  DatabaseStats stats() const override {
    DatabaseStats stats;
    writer_->addTo(stats);
    readers_.addTo(stats);
    return stats;
  }
  const resilience::Dependency* dependency() const override {
    return dependency_ ? &*dependency_ : nullptr;
  }
  Result<std::unique_ptr<MigrationLock>> openMigrationLock() override;

 private:
  resilience::DependencyOptions dependencyOptions();
  Result<void> guarded(Deadline deadline, const std::function<Result<void>()>& call);
  Result<void> readOn(std::move_only_function<Result<void>(Reader&)> fn,
                      Deadline deadline) override {
    return guarded(deadline, [&] { return readers_.read(std::move(fn), deadline); });
  }

  const Clock& clock_;
  Condition condition_;
  PostgresServer server_;
  std::optional<resilience::Dependency> dependency_;  // before whatever is done under it
  PostgresPool readers_;
  std::unique_ptr<PostgresWriter> writer_;
};

// The pool of readers and the queue of writes are the bounds of what is done at once. Whoever asks
// has left a margin of his own where something else could answer: here all of his time counts.
resilience::DependencyOptions PostgresDatabase::dependencyOptions() {
  const PostgresOptions& options = server_.options();
  return {.name = "store",
          .endpoint = server_.name(),
          .cap = options.writeMax,
          .margin = milliseconds(0),
          .bulkhead = {.running = options.queue.durableMax + options.queue.bestEffortMax +
                                  static_cast<std::size_t>(options.connectionsMax),
                       .waiting = 0},
          .probe = [this](Deadline) { return server_.ask(std::chrono::steady_clock::now()); }};
}

// Whether the server answered, whatever it said.
void settle(resilience::Permit& permit, const Result<void>& outcome) {
  const bool isAway =
      !outcome && (PostgresConnection::isNoAnswer(outcome.error()) || isInDoubt(outcome.error()));
  permit.countAs(isAway ? resilience::Outcome::failed : resilience::Outcome::answered);
  permit.finish(outcome ? nullptr : &outcome.error());
}

Result<void> PostgresDatabase::guarded(Deadline deadline,
                                       const std::function<Result<void>()>& call) {
  if (!dependency_) return call();
  CORBEL_TRY(auto permit, dependency_->tryEnter(deadline));
  auto outcome = call();
  settle(permit, outcome);
  return outcome;
}

void PostgresDatabase::write(UnitOfWork unit) {
  if (!dependency_) return writer_->write(std::move(unit));
  auto permit = dependency_->tryEnter(unit.deadline);
  if (!permit) return unit.done(std::unexpected(std::move(permit).error()));
  unit.done = [permit = *std::move(permit),
               done = std::move(unit.done)](Result<void> outcome) mutable {
    settle(permit, outcome);
    done(std::move(outcome));
  };
  writer_->write(std::move(unit));
}

// Where somebody else has made the schema, this role need not be allowed to.
Result<void> makeSchema(PostgresConnection& connection, const std::string& schema) {
  bool exists = false;
  PostgresConnection::Visit visit = [&](const Row&) { return exists = true; };
  const std::array<Value, 1> values{std::string_view(schema)};
  const auto look = [&] {
    return connection.run("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", values, visit);
  };
  CORBEL_CHECK(look());
  if (exists) return {};
  const auto made = connection.runScript("CREATE SCHEMA IF NOT EXISTS " + schema);
  if (made) return {};
  CORBEL_CHECK(look());  // another process may have been first
  return exists ? Result<void>() : made;
}

Result<void> PostgresDatabase::start() {
  const PostgresOptions& options = server_.options();
  CORBEL_TRY(auto first, server_.connect(options.writeMax));
  if (auto made = makeSchema(*first, options.schema); !made) {
    made.error().message = fmt::format("the database {}: the schema {} cannot be made: {}",
                                       server_.name(), options.schema, made.error().message);
    return made;
  }
  writer_ = std::make_unique<PostgresWriter>(server_, std::move(first), clock_);
  return {};
}

Result<std::unique_ptr<MigrationLock>> PostgresDatabase::openMigrationLock() {
  CORBEL_TRY(auto connection, server_.connect(kMigrationWait));
  CORBEL_CHECK(connection->run("SET lock_timeout TO 0"));
  PostgresConnection::Visit ignore = [](const Row&) { return true; };
  const std::string name = "corbel migrations of " + server_.options().schema;
  const std::array<Value, 1> values{std::string_view(name)};
  const auto locked =
      connection->run("SELECT pg_advisory_lock(hashtextextended(?, 0))", values, ignore);
  if (!locked && locked.error().code == ErrorCode::deadlineExceeded) {
    return fail(ErrorCode::unavailable,
                "another process is migrating the database; try again when it is done",
                locked.error().detail);
  }
  if (!locked) return std::unexpected(locked.error());
  return std::make_unique<PostgresMigrationLock>(std::move(connection));
}

}  // namespace

Result<std::unique_ptr<Database>> openPostgres(const PostgresOptions& options, const Clock& clock) {
  CORBEL_TRY(auto target, targetOf(options));
  if (!isPlainName(options.schema)) {
    return fail(
        ErrorCode::invalidArgument,
        "the schema's name must be lower-case letters, digits and _, got " + options.schema);
  }
  auto database = std::make_unique<PostgresDatabase>(std::move(target), options, clock);
  CORBEL_CHECK(database->start());
  return database;
}

}  // namespace corbel::store
