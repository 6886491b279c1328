#include <gtest/gtest.h>

#include "native/health_api.h"

namespace corbel::native {
namespace {

class Asked final : public http::Exchange {
 public:
  explicit Asked(std::string_view accept) { head_.headers = {{"Accept", accept}}; }
  void readBody(http::BodyPlan) override {}
  void post(std::move_only_function<void()> work) override { work(); }
  http::Response response;

 protected:
  void send(http::Response sent) override { response = std::move(sent); }
};

class HealthTest : public ::testing::Test {
 protected:
  http::Response ask(std::string_view path, std::string_view accept = "*/*") {
    for (const http::Route& route : http::mount(api_, "health")) {
      if (route.path != path) continue;
      auto exchange = std::make_shared<Asked>(accept);
      auto context = std::make_shared<http::CallContext>();
      context->route = &route;
      membership_.tenant = tenant_;
      context->membership = &membership_;
      exchange->setContext(context);
      route.handler(http::Call(exchange));
      return std::move(exchange->response);
    }
    return {.status = 404, .headers = {}, .body = {}};
  }
  std::string textOf(std::string_view path, std::string_view accept = "*/*") {
    return std::get<std::string>(ask(path, accept).body);
  }

  ManualClock clock_;
  identity::Membership membership_;
  std::string tenant_ = "default";
  bool ready_ = true;
  bool storeWorks_ = true;
  std::chrono::milliseconds given_{0};  // to the store, to answer
  resilience::Snapshot backend_{.name = "auth.backend", .endpoint = "https://auth.internal"};
  HealthApi api_{{.version = "1.2.3",
                  .clock = clock_,
                  .isReady = [this] { return ready_; },
                  .checks = {{"store",
                              [this](Deadline deadline) -> Result<HealthCheck::Figures> {
                                given_ = deadline.remaining(clock_);
                                clock_.advance(std::chrono::milliseconds(3));
                                if (storeWorks_) return HealthCheck::Figures{{"usedBytes", 4096}};
                                return fail(ErrorCode::unavailable, "The disk is full.",
                                            "/secret/path");
                              }},
                             {.name = "auth.backend", .dependency = [this] { return backend_; }}}}};
};

TEST_F(HealthTest, SaysWhatRunsAndSinceWhenItWasAsked) {
  EXPECT_EQ(
      textOf("/health"),
      R"({"status":"healthy","service":"corbel","version":"1.2.3","timestamp":"2026-01-01T00:00:00.000Z"})");
}

TEST_F(HealthTest, AnswersProbesThatWantTextWithOk) {
  EXPECT_EQ(textOf("/health", "text/plain"), "OK");
  EXPECT_EQ(textOf("/health", "text/html,text/plain;q=0.5,*/*;q=0.1").substr(0, 1), "{");
}

TEST_F(HealthTest, IsAliveButNotReadyWhileDraining) {
  EXPECT_EQ(ask("/health/ready").status, 200);
  ready_ = false;
  EXPECT_EQ(ask("/health/ready").status, 503);
  EXPECT_EQ(ask("/health/live").status, 200);
  EXPECT_TRUE(textOf("/health").contains(R"("status":"draining")"));
}

TEST_F(HealthTest, AsksEveryDependency) {
  const auto text = textOf("/health/detailed");
  EXPECT_TRUE(text.contains(R"("status":"healthy")")) << text;
  EXPECT_TRUE(
      text.contains(R"({"name":"store","state":"up","latencyMs":3,"figures":{"usedBytes":4096}})"))
      << text;
}

TEST_F(HealthTest, GivesEachDependencyAFewSeconds) {
  textOf("/health/detailed");
  EXPECT_EQ(given_, std::chrono::seconds(3)) << "the call itself has no end here";
}

TEST_F(HealthTest, ShowsWhetherADependencyIsAskedAtAll) {
  backend_.latency = std::chrono::milliseconds(7);
  backend_.answered = 9;
  const auto fine = textOf("/health/detailed");
  EXPECT_TRUE(fine.contains(R"("name":"auth.backend","endpoint":"https://auth.internal",)"
                            R"("state":"up","breaker":{"state":"closed"},"latencyMs":7,)"))
      << fine;
  EXPECT_TRUE(fine.contains(R"("answered":9)")) << fine;
  backend_.breaker = resilience::BreakerState::open;
  backend_.retryIn = std::chrono::milliseconds(4200);
  backend_.lastError = Error{ErrorCode::unavailable, "It could not be reached.", "secret", {}};
  const auto open = textOf("/health/detailed");
  EXPECT_TRUE(open.contains(R"("state":"down","breaker":{"state":"open","retryInMs":4200})"))
      << open;
  EXPECT_TRUE(open.contains(R"("lastError":"It could not be reached.")")) << open;
  EXPECT_TRUE(open.contains(R"("status":"degraded")")) << open;
  EXPECT_FALSE(open.contains("secret")) << open;
}

TEST_F(HealthTest, ShowsTheInstallationToThoseWhoRunItOnly) {
  tenant_ = "acme";
  EXPECT_EQ(ask("/health/detailed").status, 403);
  EXPECT_EQ(ask("/api/ai/admin/health").status, 403);
  EXPECT_EQ(ask("/health").status, 200);
}

TEST_F(HealthTest, RemembersWhyADependencyFailedAndKeepsTheDetailToItself) {
  storeWorks_ = false;
  const auto failed = textOf("/health/detailed");
  EXPECT_TRUE(failed.contains(R"("status":"degraded")")) << failed;
  EXPECT_TRUE(failed.contains(R"("state":"down")")) << failed;
  EXPECT_FALSE(failed.contains("secret")) << failed;
  storeWorks_ = true;
  const auto again = textOf("/health/detailed");
  EXPECT_TRUE(again.contains(R"("state":"up")")) << again;
  EXPECT_TRUE(again.contains(R"("lastError":"The disk is full.")")) << again;
}

}  // namespace
}  // namespace corbel::native
