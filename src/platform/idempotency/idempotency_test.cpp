#include "idempotency/idempotency.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>

namespace corbel::idempotency {
namespace {

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

class IdempotencyTest : public testing::Test {
 protected:
  static constexpr Request kRequest{"acme", "key:1", "order-7", "abc"};

  IdempotencyTest() { EXPECT_TRUE(store::migrateUp(*database, migrations(), clock)); }

  auto begin(const Request& request = kRequest) {
    return records.begin(request, Deadline::never());
  }
  std::string first(const Request& request = kRequest) {
    const auto begun = begin(request);
    EXPECT_TRUE(begun && std::holds_alternative<First>(*begun));
    return begun ? std::get<First>(*begun).id : "";
  }
  void finish(const std::string& id, Answer answer = {.status = 201, .body = "{}"}) {
    std::promise<void> kept;
    records.finish(id, std::move(answer), [&] { kept.set_value(); });
    kept.get_future().wait();
  }
  ErrorCode refusal(const Request& request = kRequest) {
    const auto begun = begin(request);
    EXPECT_FALSE(begun);
    return begun ? ErrorCode::internal : begun.error().code;
  }

  TemporaryFolder folder;
  ManualClock clock;
  std::unique_ptr<store::Database> database =
      *store::openSqlite({.dataFolder = folder.path()}, clock);
  Records records{*database, "process-1"};
};

TEST_F(IdempotencyTest, ARequestThatRunsInAnotherProcessIsUnderWayWhileThatIsThere) {
  const Records one(*database, "one", Processes::several);
  const Records other(*database, "other", Processes::several);
  ASSERT_TRUE(one.begin(kRequest, Deadline::never()));
  const auto told = [&] {
    const auto begun = other.begin(kRequest, Deadline::never());
    return begun ? "it began" : begun.error().message;
  };
  const std::string wait = "is still under way";
  EXPECT_NE(told().find(wait), std::string::npos) << told();
  for (int minute = 0; minute < 10; ++minute) {
    clock.advance(std::chrono::minutes(1));
    ASSERT_TRUE(one.removeExpired(Deadline::never()));
    ASSERT_TRUE(other.removeExpired(Deadline::never()));
  }
  EXPECT_NE(told().find(wait), std::string::npos) << told();
  clock.advance(kSilentMax);
  EXPECT_NE(told().find("was cut off"), std::string::npos) << told();
}

TEST_F(IdempotencyTest, AnswersAgainWhatWasAnsweredFirst) {
  finish(first(), {.status = 201,
                   .contentType = "application/json",
                   .location = "/things/1",
                   .etag = "\"1\"",
                   .body = R"({"id":1})"});
  const auto again = begin();
  ASSERT_TRUE(again);
  const auto& answer = std::get<Answer>(*again);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.contentType, "application/json");
  EXPECT_EQ(answer.location, "/things/1");
  EXPECT_EQ(answer.etag, "\"1\"");
  EXPECT_EQ(answer.body, R"({"id":1})");
}

TEST_F(IdempotencyTest, RefusesAKeyThatWasUsedForAnotherRequest) {
  finish(first());
  EXPECT_EQ(refusal({"acme", "key:1", "order-7", "other"}), ErrorCode::unprocessable);
}

TEST_F(IdempotencyTest, RefusesWhileTheFirstRequestRuns) {
  first();
  EXPECT_EQ(refusal(), ErrorCode::aborted);
  EXPECT_NE(begin().error().message.find("under way"), std::string::npos);
}

TEST_F(IdempotencyTest, NeverRepeatsWhatAProcessLeftInDoubt) {
  first();
  const Records afterRestart(*database, "process-2");
  const auto begun = afterRestart.begin(kRequest, Deadline::never());
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, ErrorCode::aborted);
  EXPECT_NE(begun.error().message.find("not known"), std::string::npos);
}

TEST_F(IdempotencyTest, KeepsKeysOfCallersAndTenantsApart) {
  finish(first());
  first({"acme", "key:2", "order-7", "abc"});
  first({"other", "key:1", "order-7", "abc"});
  first({"acme", "key:1order-", "7", "abc"});
}

TEST_F(IdempotencyTest, DoesNotKeepASecret) {
  finish(first(), {.status = 201, .location = "/keys/1", .body = "hunter2", .hasSecret = true});
  const auto again = begin();
  ASSERT_TRUE(again);
  EXPECT_EQ(std::get<Answer>(*again).body, "");
  EXPECT_TRUE(std::get<Answer>(*again).hasSecret);
}

TEST_F(IdempotencyTest, ForgetsAfterADay) {
  finish(first());
  clock.advance(std::chrono::hours(24));
  first();
}

TEST_F(IdempotencyTest, AKeyWhoseRequestDidNothingIsAsNew) {
  std::promise<void> forgotten;
  records.forget(first(), [&] { forgotten.set_value(); });
  forgotten.get_future().wait();
  first();
}

TEST_F(IdempotencyTest, RemovesWhatIsOld) {
  first();
  clock.advance(std::chrono::hours(25));
  ASSERT_TRUE(records.removeExpired(Deadline::never()));
  const auto left = database->read(
      [](store::Reader& reader) {
        return reader.query("SELECT count(*) FROM idempotency_keys").one([](const store::Row& row) {
          return row.integer(0);
        });
      },
      Deadline::never());
  EXPECT_EQ(left->value(), 0);
}

TEST_F(IdempotencyTest, TakesVisibleAsciiOfABoundedLength) {
  EXPECT_TRUE(isKey("0198a3b2-7c1e"));
  EXPECT_TRUE(isKey(std::string(255, 'x')));
  EXPECT_FALSE(isKey(""));
  EXPECT_FALSE(isKey(std::string(256, 'x')));
  EXPECT_FALSE(isKey("a b"));
  EXPECT_FALSE(isKey("\xC3\xA4"));
}

}  // namespace
}  // namespace corbel::idempotency
