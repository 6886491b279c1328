// What is PostgreSQL's alone: how it is found, and what happens when it goes away.
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "cutting_proxy.h"
#include "postgres_connection.h"
#include "postgres_sql.h"
#include "postgres_target.h"
#include "store_fixture.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(PostgresSql, NumbersPlaceholdersOutsideOfQuotes) {
  EXPECT_EQ(withNumberedPlaceholders("SELECT '?', \"?\" /* ? */ FROM a WHERE b = ? AND c = ?"),
            "SELECT '?', \"?\" /* ? */ FROM a WHERE b = $1 AND c = $2");
}

TEST(PostgresSql, GivesColumnsTheirTypes) {
  EXPECT_EQ(withPostgresTypes("CREATE TABLE t (a TEXT, b REAL, c BLOB, d BIGINT) -- TEXT\n"),
            "CREATE TABLE t (a TEXT COLLATE \"C\", b DOUBLE PRECISION, c BYTEA, d BIGINT) -- "
            "TEXT\n");
  EXPECT_EQ(withPostgresTypes("SELECT CAST(a AS TEXT), 'TEXT', TEXTS FROM t"),
            "SELECT CAST(a AS TEXT), 'TEXT', TEXTS FROM t");
}

TEST(PostgresUrl, IsAcceptedWhereTheServerIsVerifiedOrLocal) {
  for (const char* good :
       {"postgres://u:p@db.example.com/x", "postgresql://u@db:6432/x?sslmode=verify-ca",
        "postgres://u@db/x?sslmode=require", "postgres://u@db/x?sslmode=disable",
        "postgres://u@localhost/x?sslmode=prefer", "postgres://a,b/x?target_session_attrs=any",
        "postgres:///x?host=/run/postgresql"}) {
    EXPECT_EQ(checkPostgresUrl(good), "") << good;
  }
}

TEST(PostgresUrl, IsRefusedWithoutShowingThePassword) {
  for (const char* wrong :
       {"", "mysql://u:hunter2@db/x", "postgres://u:hunter2@db/x?sslmode=prefer",
        "postgres://u:hunter2@db/x?sslmode=allow", "postgres://u:hunter2@[db/x",
        "postgres://u:hunter2@db/x?options=-csearch_path%3Dpublic",
        "postgres://u:hunter2@db/x?application_name=other"}) {
    const std::string problem = checkPostgresUrl(wrong);
    EXPECT_NE(problem, "") << wrong;
    EXPECT_EQ(problem.find("hunter2"), std::string::npos) << problem;
  }
}

TEST(PostgresUrl, OfNobodyIsUnavailableWithinTheTimeAllowed) {
  const SystemClock clock;
  const auto before = clock.steady();
  const auto opened = openPostgres({.url = Secret("postgres://u:hunter2@127.0.0.1:1/x")}, clock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
  EXPECT_NE(opened.error().message.find("127.0.0.1:1/x"), std::string::npos);
  EXPECT_EQ((opened.error().message + opened.error().detail).find("hunter2"), std::string::npos);
  EXPECT_LT(clock.steady() - before, seconds(1));
}

// The tests below run where a server is: see tests/support/postgres.py.
class PostgresServerTest : public testing::TestWithParam<Backend> {
 protected:
  PostgresServerTest() {
    database = open();
    EXPECT_TRUE(createNotes(*database));
  }
  std::unique_ptr<Database> open() { return mustOpen(openPostgres(options(), clock)); }
  PostgresOptions options() const { return postgresOptions(schema); }
  static void restartServer() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
    std::string command = std::getenv("CORBEL_TEST_POSTGRES_RESTART");
    std::string shell = "sh";
    std::string option = "-c";
    const std::array<char*, 4> arguments{shell.data(), option.data(), command.data(), nullptr};
    pid_t child = 0;
    ASSERT_EQ(posix_spawnp(&child, "sh", nullptr, nullptr, arguments.data(), environ), 0);
    int status = -1;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
  static Result<void> execute(Database& on, Sql<0> sql) {
    return on.write([&](Transaction& tx) { return tx.execute(sql); }, Deadline::never());
  }
  // What the only column of the first row says, asked within a unit of that class.
  static Result<std::string> askWithin(Database& on, Sql<0> sql, UnitClass unitClass) {
    std::string answer;
    CORBEL_CHECK(on.writeAndWait({.apply = [&](Transaction& tx) -> Result<void> {
                                    CORBEL_TRY(const auto found,
                                               tx.query(sql).one(
                                                   [](const Row& row) { return row.string(0); }));
                                    answer = found.value_or("");
                                    return {};
                                  },
                                  .done = {},
                                  .unitClass = unitClass}));
    return answer;
  }

  const std::string schema = newSchema();
  SystemClock clock;
  std::unique_ptr<Database> database;
};

std::vector<Backend> servers() {
  if (postgresForTests() == nullptr) return {};
  return {Backend::postgres};
}

using PostgresWrites = PostgresServerTest;
using PostgresAway = PostgresServerTest;
using PostgresRoles = PostgresServerTest;
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PostgresWrites);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PostgresAway);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PostgresRoles);
INSTANTIATE_TEST_SUITE_P(On, PostgresWrites, testing::ValuesIn(servers()), nameOf);
INSTANTIATE_TEST_SUITE_P(On, PostgresAway, testing::ValuesIn(servers()), nameOf);
INSTANTIATE_TEST_SUITE_P(On, PostgresRoles, testing::ValuesIn(servers()), nameOf);

// Every thread reads a row and writes one more: lost updates would show, refusals would, too.
TEST_P(PostgresWrites, OfOneRowByManyWritersAreAllKept) {
  ASSERT_TRUE(insertNote(*database, 0, "counter"));
  constexpr int kThreads = 8;
  constexpr int kTimes = 10;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < kTimes; ++i) {
          const auto outcome = database->write(
              [](Transaction& tx) -> Result<void> {
                CORBEL_TRY(const auto now, tx.query("SELECT id FROM notes").one([](const Row& row) {
                  return row.integer(0);
                }));
                return tx.execute("UPDATE notes SET id = ?", now.value_or(-1) + 1);
              },
              Deadline::never());
          if (!outcome) ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  const auto count = database->read(
      [](Reader& reader) {
        return reader.query("SELECT id FROM notes").one([](const Row& row) {
          return row.integer(0);
        });
      },
      Deadline::never());
  EXPECT_EQ(count, kThreads * kTimes);
}

TEST_P(PostgresWrites, OfTwoProcessesLoseNoUpdateAndSayWhenTheyLost) {
  ASSERT_TRUE(insertNote(*database, 0, "counter"));
  const auto other = open();
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (Database* each : {database.get(), other.get()}) {
      threads.emplace_back([&, each] {
        for (int i = 0; i < 20; ++i) {
          const auto outcome = execute(*each, "UPDATE notes SET id = id + 1");
          if (outcome) ++done;
          if (!outcome) EXPECT_EQ(outcome.error().code, ErrorCode::aborted);
        }
      });
    }
  }
  const auto count =
      askWithin(*database, {"", "SELECT CAST(id AS TEXT) FROM notes"}, UnitClass::durable);
  EXPECT_EQ(count, std::to_string(done));
  EXPECT_GT(done, 20);
}

TEST_P(PostgresWrites, ThatMayBeLostDoNotWaitForTheDisk) {
  constexpr Sql<0> kSetting("", "SELECT current_setting('synchronous_commit')");
  EXPECT_EQ(askWithin(*database, kSetting, UnitClass::bestEffort), "off");
  EXPECT_EQ(askWithin(*database, kSetting, UnitClass::durable), "on");
}

TEST_P(PostgresWrites, AreStoppedAtTheirDeadline) {
  const auto outcome = database->write(
      [](Transaction& tx) -> Result<void> {
        CORBEL_CHECK(
            tx.query({"SELECT 1", "SELECT 1 FROM pg_sleep(10)"}).one([](const Row&) { return 1; }));
        return {};
      },
      Deadline::after(clock, milliseconds(50)));
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
  EXPECT_TRUE(insertNote(*database, 1, "goes on"));
}

TEST_P(PostgresAway, IsUsedAgainAfterARestartWithoutOneOfOurs) {
  ASSERT_TRUE(insertNote(*database, 1, "before"));
  EXPECT_EQ(countNotes(*database), 1);
  restartServer();
  // Every idle connection is dead by now, and for a moment nobody tries to make a new one.
  const auto until = clock.steady() + seconds(5);
  while (!database->reachable() && clock.steady() < until) std::this_thread::yield();
  const auto read = database->checkIntegrity(Deadline::never());
  EXPECT_TRUE(read) << read.error().message << "; " << read.error().detail;
  EXPECT_TRUE(insertNote(*database, 2, "after"));
}

// The server is killed while many write: what was acknowledged is there, and all goes on within 5
// s.
TEST_P(PostgresAway, LosesNothingThatWasAcknowledged) {
  std::vector<std::vector<std::int64_t>> acknowledged(8);
  std::atomic<bool> stop = false;
  std::atomic<int> afterRestart = 0;
  std::atomic<bool> restarted = false;
  std::latch begun(8);
  {
    std::vector<std::jthread> threads;
    threads.reserve(acknowledged.size());
    for (std::size_t thread = 0; thread < acknowledged.size(); ++thread) {
      threads.emplace_back([&, thread] {
        for (auto id = static_cast<std::int64_t>(thread); !stop; id += 8) {
          const auto outcome = insertNote(*database, id, std::to_string(id));
          if (id == static_cast<std::int64_t>(thread)) begun.count_down();
          if (!outcome) {
            EXPECT_TRUE(outcome.error().code == ErrorCode::unavailable ||
                        isInDoubt(outcome.error()))
                << outcome.error().message << outcome.error().detail;
            continue;
          }
          acknowledged[thread].push_back(id);
          if (restarted) ++afterRestart;
        }
      });
    }
    begun.wait();
    restartServer();
    restarted = true;
    const auto until = clock.steady() + seconds(5);
    while (afterRestart < 8 && clock.steady() < until) std::this_thread::yield();
    stop = true;
  }
  EXPECT_GE(afterRestart, 8);
  EXPECT_TRUE(database->reachable());
  std::int64_t total = 0;
  for (const auto& ids : acknowledged) {
    total += static_cast<std::int64_t>(ids.size());
    for (const std::int64_t id : ids) {
      const auto found = database->read(
          [&](Reader& reader) {
            return reader.query("SELECT id FROM notes WHERE id = ?", id).one([](const Row& row) {
              return row.integer(0);
            });
          },
          Deadline::never());
      ASSERT_TRUE(found) << found.error().message << "; " << found.error().detail;
      ASSERT_TRUE(*found) << "lost " << id;
    }
  }
  EXPECT_LE(total, countNotes(*database));
}

TEST_P(PostgresAway, TakesTheUnitThatEndsItsOwnConnectionAsOneThatFailed) {
  const auto outcome = database->write(
      [](Transaction& tx) -> Result<void> {
        CORBEL_CHECK(insertNote(tx, 1, "a"));
        CORBEL_CHECK(tx.query({"SELECT 1", "SELECT 1 WHERE pg_terminate_backend(pg_backend_pid())"})
                         .one([](const Row&) { return 1; }));
        return {};
      },
      Deadline::never());
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_FALSE(isInDoubt(outcome.error()));
  EXPECT_EQ(countNotes(*database), 0);
}

// The connection is cut when the COMMIT is on its way, or when its answer is.
TEST_P(PostgresAway, KnowsTheOutcomeOfACommitWhoseAnswerWasLost) {
  for (const auto cut : {CuttingProxy::Cut::beforeTheCommit, CuttingProxy::Cut::afterTheCommit}) {
    ASSERT_TRUE(execute(*database, "DELETE FROM notes"));
    CuttingProxy proxy(postgresForTests());
    PostgresOptions behind = options();
    behind.url = Secret(proxy.url());
    behind.writers = 1;
    const auto through = mustOpen(openPostgres(behind, clock));
    proxy.cutOnce(cut);
    const auto outcome = insertNote(*through, 1, "a");
    EXPECT_EQ(proxy.cuts(), 1);
    if (cut == CuttingProxy::Cut::afterTheCommit) {
      EXPECT_TRUE(outcome) << outcome.error().message << outcome.error().detail;
    } else {
      EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
    }
    EXPECT_EQ(countNotes(*database), outcome ? 1 : 0);
    EXPECT_TRUE(insertNote(*through, 2, "b"));
  }
}

// The server has no place for one more, say; those that there are go on.
TEST_P(PostgresAway, IsThereWhileTheConnectionsThatItHasAnswer) {
  CuttingProxy proxy(postgresForTests());
  PostgresOptions behind = options();
  behind.url = Secret(proxy.url());
  behind.writers = 1;
  const auto through = mustOpen(openPostgres(behind, clock));
  proxy.refuseNew();
  EXPECT_FALSE(through->checkIntegrity(Deadline::never())) << "it needs a connection to read on";
  const auto until = clock.steady() + seconds(5);
  while (!through->reachable() && clock.steady() < until) std::this_thread::yield();
  EXPECT_TRUE(through->reachable());
  EXPECT_TRUE(insertNote(*through, 1, "a"));
  EXPECT_TRUE(through->reachable());
}

// The numbers of transactions that left no trace on the disk are given out again after a crash: one
// that has committed may be somebody else's.
TEST_P(PostgresAway, BelievesNoNumberOfATransactionFromBeforeACrash) {
  using Fate = PostgresConnection::Fate;
  const auto connection = PostgresConnection::open(
      *targetOf(options()),
      {.schema = schema, .connectMax = seconds(5), .statementMax = seconds(5)});
  ASSERT_TRUE(connection);
  std::string number;
  std::string life;
  PostgresConnection::Visit visit = [&](const Row& row) {
    number = row.text(0);
    return false;
  };
  (*connection)->queueBegin();
  ASSERT_TRUE((*connection)->run("SELECT CAST(pg_current_xact_id() AS TEXT)", {}, visit));
  ASSERT_EQ((*connection)->commit().commit, PostgresConnection::Commit::committed);
  life = (*connection)->life();
  EXPECT_EQ((*connection)->fateOf(number, life), Fate::committed);
  EXPECT_EQ((*connection)->fateOf(number, "before the crash"), Fate::unknown);
  const std::string notGivenOut = std::to_string(std::stoll(number) + 1'000'000);
  EXPECT_EQ((*connection)->fateOf(notGivenOut, "before the crash"), Fate::undone);
}

TEST_P(PostgresAway, IsNotWaitedForLongWhenAllConnectionsAreInUse) {
  PostgresOptions few = options();
  few.connectionsMax = few.writers + 1;
  few.poolWaitMax = milliseconds(20);
  const auto small = mustOpen(openPostgres(few, clock));
  const auto outcome = small->read(
      [&](Reader&) -> Result<ErrorCode> {
        return std::async(std::launch::async,
                          [&] {
                            return small
                                ->read([](Reader&) -> Result<void> { return {}; },
                                       Deadline::never())
                                .error()
                                .code;
                          })
            .get();
      },
      Deadline::never());
  EXPECT_EQ(outcome, ErrorCode::unavailable);
}

TEST_P(PostgresRoles, NeedNoMoreThanTheSchema) {
  const std::string role = "role_" + schema;
  PGconn* const owner = PQconnectdb(postgresForTests());
  const std::string sql = "CREATE ROLE " + role + " LOGIN; CREATE SCHEMA of_" + schema +
                          " AUTHORIZATION " + role + "; ALTER ROLE " + role +
                          " SET synchronous_commit TO off";
  PGresult* const made = PQexec(owner, sql.c_str());
  EXPECT_EQ(PQresultStatus(made), PGRES_COMMAND_OK) << PQerrorMessage(owner);
  PQclear(made);
  PQfinish(owner);
  std::string url = postgresForTests();
  url.replace(url.find("corbel@"), 6, role);
  PostgresOptions weak = options();
  weak.url = Secret(url);
  weak.schema = "of_" + schema;
  const auto allowed = mustOpen(openPostgres(weak, clock));
  EXPECT_TRUE(createNotes(*allowed));
  EXPECT_TRUE(insertNote(*allowed, 1, "a"));
  // What is acknowledged is on the disk, whatever the role's defaults are.
  EXPECT_EQ(
      askWithin(*allowed, {"", "SELECT current_setting('synchronous_commit')"}, UnitClass::durable),
      "on");
  EXPECT_FALSE(execute(*allowed, {"SELECT 1", "CREATE TABLE public.other (id BIGINT)"}));
  weak.schema = "not_made_" + schema;
  const auto refused = openPostgres(weak, clock);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::permissionDenied);
}

TEST_P(PostgresRoles, AreNotTrustedToAServerThatIsNotVerified) {
  PostgresOptions verified = options();
  verified.url = Secret(std::string(postgresForTests()) + "?sslmode=verify-full");
  const auto refused = openPostgres(verified, clock);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_NE(refused.error().detail.find("SSL"), std::string::npos) << refused.error().detail;
}

}  // namespace
}  // namespace corbel::store
