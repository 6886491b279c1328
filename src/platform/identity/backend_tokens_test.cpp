#include "identity/backend_tokens.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "identity_fixture.h"

namespace corbel::identity {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

const Error kAway{ErrorCode::unavailable, "The server could not be reached.", "", {}};

class BackendTokensTest : public IdentityTest {
 protected:
  void says(int status, std::string body) { answer_ = Answer{status, std::move(body)}; }
  Result<PrincipalRef> verify(std::string_view token = "opaque") {
    return tokens_.verify(token, Deadline::after(clock, seconds(10)));
  }
  ErrorCode codeOf(std::string_view token = "opaque") { return verify(token).error().code; }
  Timestamp::rep nowSeconds() const {
    return std::chrono::duration_cast<seconds>(clock.now().time_since_epoch()).count();
  }

  using Answer = BackendTokens::Answer;
  std::atomic<int> asked_ = 0;
  Result<Answer> answer_ = Answer{200, R"({"user":{"id":"ann","name":"Ann"}})"};
  std::function<void()> whileAsked_ = [] {};
  metrics::Metrics metrics_;
  resilience::Dependency backend_{{.name = "auth.backend", .cap = milliseconds(700)},
                                  {clock, random, metrics_}};
  BackendTokens tokens_{{*directory, clock, backend_},
                        [this](std::string_view, Deadline) {
                          ++asked_;
                          whileAsked_();
                          return answer_;
                        },
                        ClaimMap{}};
};

TEST_F(BackendTokensTest, TheBackendSaysWhoTheBearerIs) {
  EXPECT_FALSE(tokens_.tryVerify("opaque")) << "not without asking";
  const auto principal = verify();
  ASSERT_TRUE(principal);
  EXPECT_EQ((*principal)->id, "user:ann");
  EXPECT_EQ((*principal)->name, "Ann");
  EXPECT_EQ((*principal)->memberships.front().tenant, "default");
}

TEST_F(BackendTokensTest, TheFormsOfTheAnswerThatBackendsUse) {
  for (const std::string& body :
       {std::string(R"({"id":"ann"})"), std::string(R"({"valid":true,"user":{"sub":"ann"}})"),
        std::string(R"({"success":true,"data":{"user":{"id":"ann","roles":["admin"]}}})"),
        std::string(R"({"active":true,"sub":"ann","exp":99999999999})")}) {
    says(200, body);
    const auto plain = verify("t" + std::to_string(body.size()));
    ASSERT_TRUE(plain) << body << plain.error().detail;
    EXPECT_EQ((*plain)->id, "user:ann") << body;
  }
}

TEST_F(BackendTokensTest, WhatItFoundGoodIsKeptForAMinute) {
  ASSERT_TRUE(verify());
  clock.advance(seconds(59));
  ASSERT_TRUE(tokens_.tryVerify("opaque").has_value());
  EXPECT_EQ(asked_, 1);
  clock.advance(seconds(1));
  says(401, "");
  EXPECT_EQ(codeOf(), ErrorCode::unauthenticated) << "a revoked token is refused within a minute";
}

TEST_F(BackendTokensTest, NothingIsKeptBeyondItsExpiry) {
  says(200, fmt::format(R"({{"user":{{"id":"ann"}},"exp":{}}})", nowSeconds() + 10));
  ASSERT_TRUE(verify());
  answer_ = std::unexpected(kAway);
  clock.advance(seconds(10));
  EXPECT_EQ(codeOf(), ErrorCode::unavailable);
  says(200, fmt::format(R"({{"user":{{"id":"ann"}},"exp":{}}})", nowSeconds() - 1));
  EXPECT_EQ(codeOf("other"), ErrorCode::unauthenticated) << "it has expired already";
  says(200, fmt::format(R"({{"data":{{"user":{{"id":"ann"}},"exp":{}}}}})", nowSeconds() - 1));
  EXPECT_EQ(codeOf("another"), ErrorCode::unauthenticated) << "so has this one";
}

TEST_F(BackendTokensTest, WhatItRefusedIsKeptForFiveSeconds) {
  for (const int status : {401, 403}) {
    says(status, "");
    asked_ = 0;
    const std::string token = "t" + std::to_string(status);
    EXPECT_EQ(codeOf(token), ErrorCode::unauthenticated);
    EXPECT_EQ(tokens_.tryVerify(token)->error().code, ErrorCode::unauthenticated);
    EXPECT_EQ(asked_, 1);
    clock.advance(seconds(5));
    says(200, R"({"id":"ann"})");
    EXPECT_TRUE(verify(token)) << "nobody is locked out for longer";
  }
}

TEST_F(BackendTokensTest, ATokenThatTheAnswerCallsInvalidIsRefused) {
  for (const char* body : {R"({"valid":false})", R"({"active":false,"sub":"ann"})",
                           R"({"success":"no","user":{"id":"ann"}})",
                           R"({"success":true,"data":{"valid":false,"user":{"id":"ann"}}})",
                           R"({"data":{"active":false,"id":"ann"}})"}) {
    says(200, body);
    clock.advance(seconds(5));
    EXPECT_EQ(codeOf(), ErrorCode::unauthenticated) << body;
  }
}

TEST_F(BackendTokensTest, ABackendThatDoesNotAnswerMakesTokensUncheckableNeverGood) {
  for (int i = 0; i < 5; ++i) {
    answer_ = std::unexpected(kAway);
    const auto refused = verify();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
    EXPECT_THAT(refused.error().message, Not(HasSubstr("backend")));
  }
  const auto atOnce = tokens_.tryVerify("another");
  ASSERT_TRUE(atOnce.has_value()) << "the breaker is open: nobody waits";
  EXPECT_EQ(atOnce->error().code, ErrorCode::unavailable);
  EXPECT_EQ(asked_, 5);
  EXPECT_GE(tokens_.retryAfter(), seconds(4));
}

TEST_F(BackendTokensTest, WhatIsKnownStaysKnownWhileTheBackendIsAway) {
  ASSERT_TRUE(verify("known"));
  answer_ = std::unexpected(kAway);
  for (int i = 0; i < 5; ++i) static_cast<void>(verify("unknown"));
  EXPECT_TRUE(tokens_.tryVerify("known")->has_value());
}

TEST_F(BackendTokensTest, NonsenseAndErrorsOpenTheBreakerAndWrongPathsDoNot) {
  for (const auto& [status, body] : {std::pair(404, ""), std::pair(301, ""), std::pair(400, "")}) {
    says(status, body);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(codeOf(), ErrorCode::unavailable);
    EXPECT_FALSE(backend_.isOpen()) << status;
  }
  for (const auto& [status, body] :
       {std::pair(500, ""), std::pair(200, "<html>hello</html>"), std::pair(200, R"({"ok":1})"),
        std::pair(200, R"({"user":{"id":{}}})"), std::pair(200, R"({"id":"a","id":"b"})")}) {
    says(status, body);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(codeOf(), ErrorCode::unavailable);
    EXPECT_TRUE(backend_.isOpen()) << status << body;
    clock.advance(minutes(1));
    says(200, R"({"id":"ann"})");
    ASSERT_TRUE(verify("t" + std::to_string(asked_.load())));
  }
}

TEST_F(BackendTokensTest, APauseThatTheBackendAsksForIsKept) {
  answer_ = Answer{429, "", seconds(20)};
  EXPECT_EQ(codeOf(), ErrorCode::unavailable);
  EXPECT_EQ(tokens_.retryAfter(), seconds(20));
  EXPECT_TRUE(tokens_.tryVerify("another").has_value());
}

TEST_F(BackendTokensTest, TokensThatShareABeginningStayDifferent) {
  const std::string beginning(200, 'a');
  ASSERT_TRUE(verify(beginning + "1"));
  says(200, R"({"id":"bob"})");
  EXPECT_EQ((*verify(beginning + "2"))->id, "user:bob");
  EXPECT_EQ((*verify(beginning + "1"))->id, "user:ann");
}

TEST_F(BackendTokensTest, WhatCannotStandInAHeaderIsNotSent) {
  for (const std::string& token : {std::string("a b"), std::string("a\r\nX-Admin: 1"),
                                   std::string("\xc3\xa4"), std::string(kMaxTokenBytes + 1, 'a')})
    EXPECT_EQ(codeOf(token), ErrorCode::unauthenticated);
  EXPECT_EQ(asked_, 0);
}

TEST_F(BackendTokensTest, ManyCallersWithOneTokenAskOnce) {
  std::latch arrived(1);
  std::latch release(1);
  whileAsked_ = [&] {
    arrived.count_down();
    release.wait();
  };
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    const auto call = [&] { good += verify().has_value() ? 1 : 0; };
    threads.emplace_back(call);
    arrived.wait();
    for (int i = 0; i < 10; ++i) threads.emplace_back(call);
    release.count_down();
  }
  EXPECT_EQ(good, 11);
  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace corbel::identity
