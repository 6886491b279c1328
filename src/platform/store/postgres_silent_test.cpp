// What callers get while a PostgreSQL server says nothing, is slow, or is locked by somebody else.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cutting_proxy.h"
#include "resilience/dependency.h"
#include "store_fixture.h"
#include "telemetry/metrics.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Holds a lock of the table of notes as another program would.
class Locker {
 public:
  explicit Locker(const std::string& schema) : connection_(PQconnectdb(postgresForTests())) {
    const std::string sql = "BEGIN; LOCK TABLE " + schema + ".notes IN SHARE MODE";
    PGresult* const made = PQexec(connection_, sql.c_str());
    EXPECT_EQ(PQresultStatus(made), PGRES_COMMAND_OK) << PQerrorMessage(connection_);
    PQclear(made);
  }
  ~Locker() { PQfinish(connection_); }
  Locker(const Locker&) = delete;
  Locker& operator=(const Locker&) = delete;

 private:
  PGconn* connection_;
};

// Through a proxy that can be silent, and as the dependency "store" of a process that serves.
class PostgresSilent : public testing::TestWithParam<Backend> {
 protected:
  PostgresSilent() {
    PostgresOptions behind = postgresOptions(schema);
    behind.url = Secret(proxy.url());
    behind.guard = &guard;
    through = mustOpen(openPostgres(behind, clock));
    EXPECT_TRUE(createNotes(*through));
    EXPECT_TRUE(insertNote(*through, 1, "a"));
    EXPECT_EQ(countNotes(*through), 1);
  }
  // How long it took to be refused.
  milliseconds timeOfRefusal(const std::function<Result<void>()>& call) {
    const SteadyTime begun = clock.steady();
    const auto outcome = call();
    EXPECT_FALSE(outcome);
    if (!outcome) EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
    return std::chrono::ceil<milliseconds>(clock.steady() - begun);
  }
  milliseconds timeOfRead() {
    return timeOfRefusal([&] { return through->checkIntegrity(Deadline::never()); });
  }
  milliseconds timeOfWrite() {
    return timeOfRefusal([&] { return insertNote(*through, 2, "b"); });
  }

  const std::string schema = newSchema();
  SystemClock clock;
  SystemRandom random;
  metrics::Metrics metrics;
  const resilience::DependencyParts guard{clock, random, metrics};
  CuttingProxy proxy{postgresForTests()};
  std::unique_ptr<Database> through;
};

std::vector<Backend> servers() {
  if (postgresForTests() == nullptr) return {};
  return {Backend::postgres};
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PostgresSilent);
INSTANTIATE_TEST_SUITE_P(On, PostgresSilent, testing::ValuesIn(servers()), nameOf);

TEST_P(PostgresSilent, WaitsForSomebodyElsesLockBrieflyAndSoonNotAtAll) {
  const auto timeOfWrite = [&](ErrorCode expected) {
    const SteadyTime begun = clock.steady();
    const auto outcome = through->write([](Transaction& tx) { return insertNote(tx, 2, "b"); },
                                        Deadline::after(clock, seconds(20)));
    EXPECT_EQ(outcome.error().code, expected);
    return clock.steady() - begun;
  };
  {
    const Locker somebody(schema);
    EXPECT_LT(timeOfWrite(ErrorCode::unavailable), seconds(1));
    EXPECT_LT(timeOfWrite(ErrorCode::unavailable), seconds(1));
    EXPECT_LT(timeOfWrite(ErrorCode::unavailable), milliseconds(100));
    EXPECT_EQ(countNotes(*through), 1);
  }
  const auto until = clock.steady() + seconds(5);
  bool stored = false;
  while (!stored && clock.steady() < until) {
    stored = through
                 ->write([](Transaction& tx) { return insertNote(tx, 2, "b"); },
                         Deadline::after(clock, seconds(20)))
                 .has_value();
  }
  EXPECT_TRUE(stored);
}

TEST_P(PostgresSilent, ASlowAnswerOfAServerThatIsThereIsWaitedFor) {
  const auto slow = through->read(
      [](Reader& reader) {
        return reader.query({"SELECT 1", "SELECT 1 FROM pg_sleep(0.8)"}).one([](const Row&) {
          return 1;
        });
      },
      Deadline::after(clock, seconds(5)));
  EXPECT_EQ(slow, 1);
}

TEST_P(PostgresSilent, IsGivenUpWithinASecond) {
  proxy.beSilent();
  EXPECT_LT(timeOfWrite(), seconds(1));
  EXPECT_LT(timeOfRead(), seconds(1));
  EXPECT_FALSE(through->reachable());
}

TEST_P(PostgresSilent, IsNotAskedOnceThatIsKnownAndUsedAgainWhenItSpeaks) {
  proxy.beSilent();
  const auto until = clock.steady() + seconds(10);
  while (!through->dependency()->isOpen() && clock.steady() < until) timeOfRead();
  EXPECT_LT(timeOfRead(), milliseconds(100));
  EXPECT_LT(timeOfWrite(), milliseconds(100));
  EXPECT_GT(through->dependency()->snapshot().failed, 0u);
  proxy.speakAgain();
  const auto healedBy = clock.steady() + seconds(5);
  while (!through->checkIntegrity(Deadline::never()) && clock.steady() < healedBy)
    std::this_thread::yield();
  EXPECT_LT(clock.steady(), healedBy);
  EXPECT_TRUE(insertNote(*through, 2, "b"));
}

}  // namespace
}  // namespace corbel::store
