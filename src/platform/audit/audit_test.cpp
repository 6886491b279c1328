#include "audit/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "audit/audit_migrations.h"
#include "audit/personal_lines.h"
#include "audit/witness.h"
#include "store/migration.h"

namespace corbel::audit {
namespace {

using testing::HasSubstr;

template <class T>
T mustBe(Result<T> result) {
  if constexpr (std::is_void_v<T>) {
    if (result) return;
  } else {
    if (result) return *std::move(result);
  }
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

const char* postgresForTests() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  return std::getenv("CORBEL_TEST_POSTGRES");
}

enum class Backend : std::uint8_t { sqlite, postgres };

Act act(const std::string& object) {
  return {.tenant = "acme",
          .principal = "user:alice",
          .kind = "user",
          .action = "DELETE /api/v1/ai/keys/{key}",
          .object = object,
          .remote = "192.0.2.7",
          .requestId = "r1",
          .outcome = Outcome::done,
          .code = {}};
}

class AuditTest : public testing::TestWithParam<Backend> {
 protected:
  std::unique_ptr<store::Database> connect(const Clock& of) {
    if (GetParam() == Backend::postgres)
      return mustBe(store::openPostgres({.url = Secret(postgresForTests()), .schema = schema}, of));
    return mustBe(store::openSqlite({.dataFolder = folder.path()}, of));
  }
  Result<void> append(const std::string& object) {
    return database->write([&](store::Transaction& tx) { return log.append(tx, act(object)); },
                           Deadline::never());
  }
  void appendLines(int count) {
    for (int i = 1; i <= count; ++i) ASSERT_TRUE(append("keys/" + std::to_string(i)));
  }
  void tamper(auto&& change) { ASSERT_TRUE(database->write(change, Deadline::never())); }
  std::vector<Line> all() {
    return mustBe(log.oldest({.tenant = "acme"}, 0, 1'000, Deadline::never()));
  }
  Verdict verify(const std::optional<Anchor>& anchor = {}) {
    return mustBe(log.verify(anchor, Deadline::never()));
  }
  std::int64_t firstBroken() {
    const auto verdict = verify();
    return verdict.broken ? verdict.broken->number : 0;
  }

  TemporaryFolder folder;
  const std::string schema = [] {
    static int number = 0;
    return "test_audit_" + std::to_string(getpid()) + "_" + std::to_string(++number);
  }();
  ManualClock clock;
  SystemClock wall;
  metrics::Metrics metrics;
  std::unique_ptr<store::Database> database = [this] {
    auto opened = connect(wall);
    mustBe(store::migrateUp(*opened, migrations(), wall));
    return opened;
  }();
  SystemRandom random;
  AuditLog log{{*database, clock, random, &metrics}};
};

INSTANTIATE_TEST_SUITE_P(On, AuditTest,
                         testing::ValuesIn(postgresForTests() == nullptr
                                               ? std::vector{Backend::sqlite}
                                               : std::vector{Backend::sqlite, Backend::postgres}),
                         [](const auto& info) {
                           return info.param == Backend::sqlite ? "Sqlite" : "Postgres";
                         });

TEST_P(AuditTest, NumbersLinesAndChainsThem) {
  appendLines(3);
  const auto lines = all();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].number, 1);
  EXPECT_EQ(lines[2].act.object, "keys/3");
  EXPECT_EQ(lines[0].hash, hashOf(lines[0], kFirstHash));
  EXPECT_EQ(lines[1].hash, hashOf(lines[1], lines[0].hash));
  const auto verdict = verify();
  EXPECT_FALSE(verdict.broken);
  EXPECT_EQ(verdict.lines, 3);
  EXPECT_EQ(verdict.head.hash, lines[2].hash);
}

TEST_P(AuditTest, OfAChangeThatFailsThereIsNoLine) {
  EXPECT_FALSE(database->write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(log.append(tx, act("keys/1")));
        return fail(ErrorCode::aborted, "no");
      },
      Deadline::never()));
  EXPECT_TRUE(all().empty());
  EXPECT_FALSE(verify().broken);
}

TEST_P(AuditTest, FindsEveryFieldThatWasChanged) {
  using store::Transaction;
  appendLines(5);
  const std::vector<std::function<Result<void>(Transaction&)>> changes = {
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET at = at + 1 WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET tenant_id = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET principal = 'user:bob' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET kind = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET action = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET object = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET remote = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET request_id = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET outcome = 'refused' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET code = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET omitted = 9 WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET hash = 'x' WHERE number = 3");
      },
      [](Transaction& tx) { return tx.execute("UPDATE audit_log SET who = 'x' WHERE number = 3"); },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET salt = 'x' WHERE number = 3");
      },
      [](Transaction& tx) {
        return tx.execute("UPDATE audit_log SET salt = '' WHERE number = 3");
      }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    tamper(changes[i]);
    EXPECT_EQ(firstBroken(), 3) << i;
    tamper([](Transaction& tx) { return tx.execute("DELETE FROM audit_log"); });
    tamper([](Transaction& tx) {
      return tx.execute("UPDATE audit_head SET number = 0, hash = ?", kFirstHash);
    });
    appendLines(5);
    ASSERT_EQ(firstBroken(), 0);
  }
}

TEST_P(AuditTest, FindsALineThatWasRemoved) {
  appendLines(5);
  tamper(
      [](store::Transaction& tx) { return tx.execute("DELETE FROM audit_log WHERE number = 2"); });
  EXPECT_EQ(firstBroken(), 2);
}

TEST_P(AuditTest, FindsThatTheLastLinesWereRemoved) {
  appendLines(5);
  tamper(
      [](store::Transaction& tx) { return tx.execute("DELETE FROM audit_log WHERE number > 3"); });
  EXPECT_EQ(firstBroken(), 4);
}

TEST_P(AuditTest, FindsALineThatWasInserted) {
  appendLines(3);
  tamper([](store::Transaction& tx) {
    return tx.execute(
        "INSERT INTO audit_log SELECT 4, at, tenant_id, principal, kind, action, object, remote, "
        "request_id, outcome, code, omitted, hash, salt, who FROM audit_log WHERE number = 3");
  });
  EXPECT_EQ(firstBroken(), 4);
}

TEST_P(AuditTest, FindsAWholeChainThatWasForgedByWhatWasWrittenDown) {
  appendLines(3);
  const Anchor before = verify().head;
  tamper([](store::Transaction& tx) { return tx.execute("DELETE FROM audit_log"); });
  tamper([](store::Transaction& tx) {
    return tx.execute("UPDATE audit_head SET number = 0, hash = ?", kFirstHash);
  });
  ASSERT_TRUE(append("keys/other"));
  EXPECT_FALSE(verify().broken);
  EXPECT_TRUE(verify(before).broken) << "shorter than it was";
  appendLines(4);
  ASSERT_TRUE(verify(before).broken);
  EXPECT_EQ(verify(before).broken->number, 3);
}

TEST_P(AuditTest, TellsWhoDidWhatByFilters) {
  ASSERT_TRUE(append("keys/1"));
  clock.advance(std::chrono::hours(1));
  const Timestamp later = clock.now();
  Act other = act("keys/2");
  other.principal = "user:bob";
  other.outcome = Outcome::failed;
  other.action = "POST /api/v1/ai/keys";
  ASSERT_TRUE(database->write([&](store::Transaction& tx) { return log.append(tx, other); },
                              Deadline::never()));
  Act foreign = act("keys/3");
  foreign.tenant = "globex";
  ASSERT_TRUE(database->write([&](store::Transaction& tx) { return log.append(tx, foreign); },
                              Deadline::never()));
  const auto objects = [&](const Query& query) {
    std::string found;
    for (const Line& line : mustBe(log.newest(query, 1'000, 10, Deadline::never())))
      found += line.act.object + " ";
    return found;
  };
  EXPECT_EQ(objects({.tenant = "acme"}), "keys/2 keys/1 ");
  EXPECT_EQ(objects({.tenant = "globex"}), "keys/3 ");
  EXPECT_EQ(objects({.tenant = "acme", .principal = "user:bob"}), "keys/2 ");
  EXPECT_EQ(objects({.tenant = "acme", .action = "DELETE /api/v1/ai/keys/{key}"}), "keys/1 ");
  EXPECT_EQ(objects({.tenant = "acme", .object = "keys/1"}), "keys/1 ");
  EXPECT_EQ(objects({.tenant = "acme", .outcome = Outcome::failed}), "keys/2 ");
  EXPECT_EQ(objects({.tenant = "acme", .from = later}), "keys/2 ");
  EXPECT_EQ(objects({.tenant = "acme", .to = later}), "keys/1 ");
}

TEST_P(AuditTest, WritesFewOfManyRefusalsAndCountsTheRest) {
  for (int i = 0; i < AuditLog::kRefusalBurst + 30; ++i) log.appendRefusal(act("keys/1"));
  clock.advance(std::chrono::seconds(1));
  log.appendRefusal(act("keys/last"));
  ASSERT_TRUE(append("keys/after"));  // behind all that was queued, but for other writers
  std::int64_t omitted = 0;
  std::size_t refused = 0;
  while (refused <= std::size_t{AuditLog::kRefusalBurst}) {
    const auto lines = mustBe(
        log.oldest({.tenant = "acme", .outcome = Outcome::refused}, 0, 1'000, Deadline::never()));
    refused = lines.size();
    if (!lines.empty()) omitted = lines.back().act.omitted;
  }
  EXPECT_EQ(refused, std::size_t{AuditLog::kRefusalBurst} + 1);
  EXPECT_FALSE(verify().broken);
  EXPECT_EQ(omitted, 30);
}

TEST_P(AuditTest, KeepsHostileTextOnOneLine) {
  Act hostile = act("keys/\n\x1b[31m" + std::string(2'000, 'x'));
  hostile.principal = std::string("a\0b\xff", 4);
  ASSERT_TRUE(database->write([&](store::Transaction& tx) { return log.append(tx, hostile); },
                              Deadline::never()));
  const auto lines = all();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].act.object.size(), kTextMax);
  EXPECT_THAT(lines[0].act.object, testing::StartsWith("keys/??[31mx"));
  EXPECT_EQ(lines[0].act.principal, "a?b?");
  EXPECT_FALSE(verify().broken);
}

TEST_P(AuditTest, StaysOneChainUnderManyWriters) {
  constexpr int kThreads = 4;
  constexpr int kLines = 25;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kLines; ++i) failures += !append("keys/1");
      });
    }
  }
  EXPECT_EQ(failures, 0);
  const auto verdict = verify();
  EXPECT_FALSE(verdict.broken);
  EXPECT_EQ(verdict.lines, kThreads * kLines);
}

TEST_P(AuditTest, StaysOneChainOfTwoProcesses) {
  if (GetParam() == Backend::sqlite) return;  // one process a file
  const auto second = connect(wall);
  const AuditLog other({*second, clock, random});
  std::atomic<int> failures = 0;
  {
    const std::jthread thread([&] {
      for (int i = 0; i < 50; ++i) {
        failures +=
            !second->write([&](store::Transaction& tx) { return other.append(tx, act("keys/2")); },
                           Deadline::never());
      }
    });
    for (int i = 0; i < 50; ++i) failures += !append("keys/1");
  }
  const auto verdict = verify();
  EXPECT_FALSE(verdict.broken);
  EXPECT_EQ(verdict.lines, 100 - failures);
  EXPECT_EQ(failures, 0);
}

TEST_P(AuditTest, ALineCanLoseItsNameAndStaysInTheChain) {
  appendLines(3);
  const auto head = verify().head;
  const auto place = personalLines(*database);
  personal::Person alice{
      .tenant = "acme", .principal = "user:alice", .until = clock.now(), .pseudonym = "erased:1"};
  std::vector<std::string> shown;
  mustBe(place.show(
      alice,
      [&](std::string_view json) -> Result<void> {
        shown.emplace_back(json);
        return {};
      },
      Deadline::never()));
  EXPECT_EQ(shown.size(), 3u);
  EXPECT_THAT(shown[0], HasSubstr(R"("remote":"192.0.2.7")"));
  EXPECT_EQ(mustBe(place.erase(alice, Deadline::never())).count, 3);
  EXPECT_EQ(mustBe(place.erase(alice, Deadline::never())).count, 0);
  for (const Line& line : all()) {
    EXPECT_EQ(line.act.principal, "erased:1");
    EXPECT_EQ(line.act.remote + line.act.requestId + line.salt, "");
    EXPECT_EQ(line.act.object.substr(0, 5), "keys/");
  }
  const auto verdict = verify(head);
  EXPECT_FALSE(verdict.broken);
  EXPECT_EQ(verdict.erased, 3);
}

TEST_P(AuditTest, CanBeShortenedAtItsOldEndAndStaysAChain) {
  appendLines(3);
  const auto third = verify().head;
  clock.advance(std::chrono::hours(1));
  appendLines(2);
  const Timestamp then = clock.now();
  EXPECT_EQ(mustBe(log.shorten(then, Deadline::never())), 3);
  const auto verdict = verify(third);
  EXPECT_FALSE(verdict.broken);
  EXPECT_EQ(verdict.start.number, 3);
  EXPECT_EQ(verdict.lines, 3) << "two, and that the others are gone";
  EXPECT_EQ(mustBe(log.shorten(then, Deadline::never())), 0);
  EXPECT_EQ(verify().lines, 3);
  EXPECT_EQ(log.verify(Anchor{2, third.hash}, Deadline::never()).error().code,
            ErrorCode::unprocessable);
  EXPECT_TRUE(verify(Anchor{3, std::string(kFirstHash)}).broken);
  tamper(
      [](store::Transaction& tx) { return tx.execute("DELETE FROM audit_log WHERE number = 4"); });
  EXPECT_EQ(firstBroken(), 4);
}

TEST_P(AuditTest, LinesOfAnOlderProgramKeepTheirHash) {
  appendLines(1);
  Line old = all()[0];
  old.salt = old.who = "";
  old.hash = hashOf(old, kFirstHash);
  tamper([&](store::Transaction& tx) {
    return tx.execute("UPDATE audit_log SET salt = '', who = '', hash = ?", old.hash);
  });
  tamper([&](store::Transaction& tx) {
    return tx.execute("UPDATE audit_head SET hash = ?", old.hash);
  });
  EXPECT_FALSE(verify().broken);
  EXPECT_EQ(verify().erased, 0);
}

TEST_P(AuditTest, AWitnessPutsOneLineIntoTheFirstUnitOfACall) {
  int committed = 0;
  Witness witness(log, act("by path"), [&] { ++committed; });
  {
    const store::Accompanied accompanied(witness);
    EXPECT_FALSE(database->write(
        [](store::Transaction&) -> Result<void> { return fail(ErrorCode::notFound, "no"); },
        Deadline::never()));
    EXPECT_TRUE(all().empty());
    EXPECT_TRUE(database->write(
        [](store::Transaction& tx) -> Result<void> {
          tx.about("keys/made");
          tx.about("second");
          return {};
        },
        Deadline::never()));
    EXPECT_TRUE(
        database->write([](store::Transaction&) -> Result<void> { return {}; }, Deadline::never()));
  }
  EXPECT_TRUE(
      database->write([](store::Transaction&) -> Result<void> { return {}; }, Deadline::never()));
  const auto lines = all();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].act.object, "keys/made");
  EXPECT_EQ(committed, 1);
}

}  // namespace
}  // namespace corbel::audit
