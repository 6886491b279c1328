#include "native/prediction_fallback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>

#include "base/random.h"
#include "models/models_migrations.h"
#include "native/predictions_api.h"
#include "store/migration.h"
#include "store/store.h"
#include "telemetry/metric_table.h"

namespace corbel::native {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class Asked final : public http::Exchange {
 public:
  explicit Asked(std::string body) : text_(std::move(body)) {
    reset(std::chrono::steady_clock::now());
    head_.method = http::Method::post;
    head_.headers = {{"Content-Type", "application/json"}};
    body_ = text_;
  }
  void readBody(http::BodyPlan) override {}
  void post(std::move_only_function<void()> work) override { work(); }
  http::Response await() {
    answered_.wait();
    return std::move(response_);
  }

 protected:
  void send(http::Response sent) override {
    response_ = std::move(sent);
    answered_.count_down();
  }

 private:
  const std::string text_;
  http::Response response_;
  std::latch answered_{1};
};

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

// A model whose engine cannot be had: how, says the test.
class PredictionFallbackTest : public testing::Test {
 protected:
  using Loaded = Result<std::shared_ptr<const inference::Model>>;

  PredictionFallbackTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    database_ = mustBe(store::openSqlite({.dataFolder = folder_}, clock_));
    mustBe(store::migrateUp(*database_, models::migrations(), clock_));
    registry_ = std::make_unique<models::Registry>(*database_, ids_, clock_);
    serving_ = std::make_unique<models::Serving>(
        *registry_, [this](const models::Version&, Deadline) { return load_(); },
        models::ServingOptions{}, metrics_, clock_);
    cache_ = std::make_unique<models::PredictionCache>(values_, std::chrono::hours(1));
    membership_.tenant = "acme";
  }
  ~PredictionFallbackTest() override {
    timer_.stop();
    serving_->stop();
    for (exec::Pool* pool : {&loads_, &pool_, &fallbackPool_}) pool->stop(Deadline::never());
    serving_.reset();
    cache_.reset();
    registry_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  void declare(const std::string& configuration, const std::string& name = "m") {
    const models::Scope scope{"acme", "user:ann", Deadline::never()};
    models::NewModel model;
    model.name = name;
    model.configuration = configuration;
    mustBe(registry_->create(scope, std::move(model), {}));
    models::NewVersion version;
    version.artifactSha256 = "a";
    version.artifactBytes = 10;
    version.signature = "{}";
    mustBe(registry_->addVersion(scope, name, std::move(version), {}));
  }

  http::Response predict(int timeoutMs = 2'000) {
    fallback_.emplace(PredictionFallback::Parts{
        *registry_, *serving_, *cache_, metrics_, ids_, clock_, loads_,
        [this](const std::string& url, const std::string& body, Deadline) {
          askedUrl_ = url;
          askedBody_ = body;
          return endpoint_;
        },
        hasEndpoint_});
    fallbacks_.emplace(*fallback_, fallbackPool_, timer_);
    api_.emplace(PredictionsApi::Parts{*serving_, *cache_, pool_, loads_, metrics_, ids_, clock_,
                                       &*fallbacks_});
    routes_ = http::mount(*api_, "predictions");
    auto exchange = std::make_shared<Asked>(R"({"input":{"x":1},"options":{"timeoutMs":)" +
                                            std::to_string(timeoutMs) + "}}");
    auto context = std::make_shared<http::CallContext>();
    context->route = &routes_.front();
    context->membership = &membership_;
    context->principal = std::make_shared<const identity::Principal>();
    context->parameters.add("model", "m");
    exchange->setContext(context);
    routes_.front().handler(http::Call(exchange));
    return exchange->await();
  }
  static std::string textOf(const http::Response& response) {
    return std::get<std::string>(response.body);
  }

  std::filesystem::path folder_;
  SystemClock clock_;
  SystemRandom random_;
  IdSource ids_{clock_, random_};
  metrics::Metrics metrics_;
  identity::Membership membership_;
  std::function<Loaded()> load_ = [] {
    return fail(ErrorCode::unavailable, "The file cannot be read.");
  };
  Result<std::string> endpoint_ = fail(ErrorCode::unavailable, "away");
  bool hasEndpoint_ = false;
  std::string askedUrl_ = "nobody";
  std::string askedBody_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<models::Registry> registry_;
  std::unique_ptr<models::Serving> serving_;
  cache::Cache values_{{}, nullptr, clock_};
  std::unique_ptr<models::PredictionCache> cache_;
  exec::Pool pool_{{.name = "test"}, clock_};
  exec::Pool loads_{{.name = "loads"}, clock_};
  exec::Pool fallbackPool_{{.name = "fallback"}, clock_};
  exec::Timer timer_{10};
  std::optional<PredictionFallback> fallback_;
  std::optional<PredictionsApi::Parts::Fallbacks> fallbacks_;
  std::optional<PredictionsApi> api_;
  std::vector<http::Route> routes_;
};

TEST_F(PredictionFallbackTest, ARuleAnswersForAModelThatCannotBeLoaded) {
  declare(R"({"fallback":{"prediction":"later"}})");
  const http::Response response = predict();
  EXPECT_EQ(response.status, 200);
  const std::string text = textOf(response);
  EXPECT_THAT(text, HasSubstr(R"({"prediction":"later","model":{)"));
  EXPECT_THAT(text, HasSubstr(R"("degraded":true,"degradedReason":"The file cannot be read.",)"
                              R"("fallback":{"kind":"rule"}})"));
  EXPECT_EQ(metrics_.of(metrics::kFallbacks).with("rule", "acme", "m").value(), 1u);
}

TEST_F(PredictionFallbackTest, AModelThatIsLoadedTooSlowlyIsNotWaitedFor) {
  declare(R"({"fallback":{"prediction":"later"}})");
  const auto release = std::make_shared<std::latch>(1);
  load_ = [release]() -> Loaded {
    release->wait();
    return fail(ErrorCode::internal, "too late for anybody");
  };
  const auto begin = clock_.steady();
  const http::Response response = predict(250);
  EXPECT_LT(clock_.steady() - begin, milliseconds(1'500));
  EXPECT_EQ(response.status, 200) << textOf(response);
  EXPECT_THAT(textOf(response), HasSubstr(R"("prediction":"later")"));
  release->count_down();
}

// For longer than anybody waits, and than the test would notice.
TEST_F(PredictionFallbackTest, AModelToFallBackOnThatIsLoadedTooSlowlyIsNotWaitedForEither) {
  declare("{}", "other");
  declare(R"({"fallback":{"model":"other","prediction":"later"}})");
  const auto release = std::make_shared<std::promise<void>>();
  std::atomic<int> loads = 0;
  load_ = [&loads, released = release->get_future().share()]() -> Loaded {
    if (loads++ > 0) released.wait_for(std::chrono::seconds(5));
    return fail(ErrorCode::unavailable, "The file cannot be read.");
  };
  const auto begin = clock_.steady();
  const http::Response response = predict(400);
  EXPECT_LT(clock_.steady() - begin, milliseconds(2'000));
  EXPECT_THAT(textOf(response), HasSubstr(R"("prediction":"later")"));
  while (loads < 2) std::this_thread::yield();
  release->set_value();
}

TEST_F(PredictionFallbackTest, WithoutAnythingTheErrorComesAtTheEndOfTheTime) {
  declare("{}");
  const auto release = std::make_shared<std::latch>(1);
  load_ = [release]() -> Loaded {
    release->wait();
    return fail(ErrorCode::internal, "too late for anybody");
  };
  const auto begin = clock_.steady();
  const http::Response response = predict(250);
  EXPECT_GE(clock_.steady() - begin, milliseconds(250));
  EXPECT_EQ(response.status, 504);
  release->count_down();
}

TEST_F(PredictionFallbackTest, TheOwnersEndpointIsAskedBeforeTheOperators) {
  declare(R"({"fallback":{"url":"https://owner.example/f"}})");
  hasEndpoint_ = true;
  endpoint_ = R"({"prediction":[1,2],"confidence":0.5,"more":true})";
  const std::string text = textOf(predict());
  EXPECT_EQ(askedUrl_, "https://owner.example/f");
  EXPECT_EQ(askedBody_, R"({"tenant":"acme","model":"m","version":1,"input":{"x":1}})");
  EXPECT_THAT(text, HasSubstr(R"({"prediction":[1,2],"confidence":0.5,"model":)"));
  EXPECT_THAT(text, HasSubstr(R"("fallback":{"kind":"endpoint"})"));
}

TEST_F(PredictionFallbackTest, TheOperatorsIsAskedLast) {
  declare("{}");
  hasEndpoint_ = true;
  endpoint_ = R"({"prediction":1})";
  EXPECT_EQ(predict().status, 200);
  EXPECT_EQ(askedUrl_, "");
}

TEST_F(PredictionFallbackTest, NonsenseOfAnEndpointIsNoAnswer) {
  declare("{}");
  hasEndpoint_ = true;
  for (const char* nonsense : {"", "<html>", "{}", R"({"prediction":1,"prediction":2})", "[1]"}) {
    endpoint_ = std::string(nonsense);
    const http::Response response = predict();
    EXPECT_EQ(response.status, 503) << nonsense;
    EXPECT_THAT(textOf(response), HasSubstr("The file cannot be read."));
  }
}

TEST_F(PredictionFallbackTest, WhatIsTheCallersFaultIsNotAnsweredForHim) {
  declare(R"({"fallback":{"prediction":"later"}})");
  load_ = [] { return fail(ErrorCode::unprocessable, "It is no model."); };
  EXPECT_EQ(predict().status, 422);
}

}  // namespace
}  // namespace corbel::native
