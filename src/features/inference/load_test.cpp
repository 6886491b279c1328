#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "inference/model.h"

namespace corbel::inference {
namespace {

// A linear model of one feature, as XGBoost writes it.
constexpr std::string_view kModel =
    R"({"learner":{"gradient_booster":{"model":{"weights":[2.0,1.0]},"name":"gblinear"},)"
    R"("learner_model_param":{"base_score":"0","num_class":"0","num_feature":"1","num_target":"1"},)"
    R"("objective":{"name":"reg:squarederror"}},"version":[3,0,0]})";

Result<std::shared_ptr<const Model>> loadWith(const Clock& clock, Deadline deadline) {
  return load(std::as_bytes(std::span(kModel)), {}, clock, deadline);
}

TEST(Load, ChoosesTheEngineByContent) {
  const ManualClock clock;
  const auto model = loadWith(clock, Deadline::never());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->signature().engine, "linear");
  EXPECT_EQ((*model)->signature().format, "xgboost-json");
  EXPECT_TRUE((*model)->signature().acceptsMissing);
}

// A clock that goes on by a second at each look.
class HastyClock final : public Clock {
 public:
  SteadyTime steady() const override { return SteadyTime(std::chrono::seconds(looks_++)); }
  Timestamp now() const override { return {}; }

 private:
  mutable int looks_ = 0;
};

TEST(Load, EndsAtItsDeadlineBetweenAnyTwoSteps) {
  for (const int seconds : {0, 1, 2}) {
    const HastyClock clock;
    const auto late = loadWith(clock, Deadline::at(SteadyTime(std::chrono::seconds(seconds))));
    ASSERT_FALSE(late) << seconds;
    EXPECT_EQ(late.error().code, ErrorCode::deadlineExceeded);
  }
}

}  // namespace
}  // namespace corbel::inference
