#include "native/predictions_api.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <latch>
#include <memory>
#include <string>

#include "base/random.h"
#include "store/store.h"

namespace corbel::native {
namespace {

class Asked final : public http::Exchange {
 public:
  explicit Asked(std::string_view body) {
    head_.method = http::Method::post;
    head_.headers = {{"Content-Type", "application/json"}};
    body_ = body;
  }
  void readBody(http::BodyPlan) override {}
  void post(std::move_only_function<void()> work) override { work(); }
  http::Response response;

 protected:
  void send(http::Response sent) override { response = std::move(sent); }
};

class PredictionsApiTest : public ::testing::Test {
 protected:
  PredictionsApiTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    database_ = *store::openSqlite({.dataFolder = folder_}, clock_);
    registry_ = std::make_unique<models::Registry>(*database_, ids_, clock_);
    serving_ = std::make_unique<models::Serving>(
        *registry_,
        [](const models::Version&, Deadline) -> Result<std::shared_ptr<const inference::Model>> {
          return fail(ErrorCode::internal, "nothing is loaded here");
        },
        models::ServingOptions{}, metrics_, clock_);
    cache_ = std::make_unique<models::PredictionCache>(values_, std::chrono::seconds(0));
    membership_.tenant = "acme";
  }
  ~PredictionsApiTest() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  http::Response predict() {
    PredictionsApi api({*serving_, *cache_, pool_, loads_, metrics_, ids_, clock_});
    const auto routes = http::mount(api, "predictions");
    auto exchange = std::make_shared<Asked>(R"({"input":[1]})");
    auto context = std::make_shared<http::CallContext>();
    context->route = &routes.front();
    context->membership = &membership_;
    exchange->setContext(context);
    routes.front().handler(http::Call(exchange));
    return std::move(exchange->response);
  }

  std::filesystem::path folder_;
  SystemClock clock_;
  SystemRandom random_;
  IdSource ids_{clock_, random_};
  metrics::Metrics metrics_;
  identity::Membership membership_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<models::Registry> registry_;
  std::unique_ptr<models::Serving> serving_;
  cache::Cache values_{{}, nullptr, clock_};
  std::unique_ptr<models::PredictionCache> cache_;
  exec::Pool pool_{{.name = "test", .threads = 1, .queueBound = 2}, clock_};
  exec::Pool loads_{{.name = "loads", .threads = 1, .queueBound = 2}, clock_};
};

TEST_F(PredictionsApiTest, AsksToComeBackWhenTooManyPredictionsWait) {
  const auto begun = std::make_shared<std::latch>(1);
  const auto finished = std::make_shared<std::latch>(1);
  loads_.tryRun([begun, finished] {
    begun->count_down();
    finished->wait();
  });
  begun->wait();
  while (loads_.tryRun([] {})) {
  }
  const http::Response response = predict();
  finished->count_down();
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(std::ranges::find(response.headers,
                              std::pair<std::string_view, std::string>("Retry-After", "1")),
            response.headers.end());
  EXPECT_TRUE(std::get<std::string>(response.body).contains(R"("code":"unavailable")"));
  EXPECT_TRUE(metrics_.expose().contains(
      R"(ai_service_model_predictions_total{status="unavailable",tenant="acme",model="unknown"} 1)"));
}

}  // namespace
}  // namespace corbel::native
