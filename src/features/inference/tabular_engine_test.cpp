#include "inference/tabular_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace corbel::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 2 x + 3 y + 1
TabularModel aLine() {
  TabularModel model;
  model.featureNames = {"x", "y"};
  LinearModel line;
  line.features = 2;
  line.coefficients = {2, 3};
  line.intercepts = {1};
  model.predictor = line;
  return model;
}

TabularModel aLogistic() {
  TabularModel model = aLine();
  model.task = Task::classifier;
  model.classLabels = std::vector<std::string>{"no", "yes"};
  std::get<LinearModel>(model.predictor).link = Link::sigmoid;
  model.finish = Finish::complement;
  return model;
}

std::shared_ptr<const Model> engineOf(TabularModel model) {
  auto made = makeTabularEngine(std::move(model), "test");
  EXPECT_TRUE(made) << made.error().message;
  return made ? *std::move(made) : nullptr;
}

Tensor rows(std::int64_t count, std::vector<float> values) {
  return {{count, 2}, std::move(values)};
}

const std::vector<float>& floatsOf(const Tensors& tensors, std::size_t output = 0) {
  return std::get<std::vector<float>>(tensors[output].values);
}

TEST(TabularEngine, ComputesEveryRow) {
  const auto outputs = engineOf(aLine())->run({rows(2, {1, 1, 0, 2})}, Deadline::never());
  ASSERT_TRUE(outputs);
  EXPECT_THAT((*outputs)[0].shape, ElementsAre(2, 1));
  EXPECT_THAT(floatsOf(*outputs), ElementsAre(6, 7));
}

TEST(TabularEngine, TellsWhatTheFileSays) {
  const auto engine = engineOf(aLogistic());
  EXPECT_EQ(engine->signature().engine, "linear");
  EXPECT_EQ(engine->signature().task, ModelTask::classification);
  EXPECT_THAT(engine->signature().classLabels, ElementsAre("no", "yes"));
  EXPECT_THAT(engine->signature().featureNames, ElementsAre("x", "y"));
  EXPECT_EQ(engine->signature().probabilities, 0);
}

TEST(TabularEngine, GivesBothProbabilitiesOfABinaryClassifier) {
  const auto outputs = engineOf(aLogistic())->run({rows(1, {-0.5F, 0})}, Deadline::never());
  ASSERT_TRUE(outputs);
  EXPECT_THAT(floatsOf(*outputs), ElementsAre(0.5, 0.5));
}

TEST(TabularEngine, GivesLabelAndScoreWhereThereAreNoProbabilities) {
  TabularModel model = aLogistic();
  std::get<LinearModel>(model.predictor).link = Link::identity;
  model.finish = Finish::none;
  const auto outputs = engineOf(model)->run({rows(2, {0, 0, -1, 0})}, Deadline::never());
  ASSERT_TRUE(outputs);
  EXPECT_THAT(std::get<std::vector<std::string>>((*outputs)[0].values), ElementsAre("yes", "no"));
  EXPECT_THAT(floatsOf(*outputs, 1), ElementsAre(1, -1));
}

TEST(TabularEngine, TransformsRowsFirst) {
  TabularModel model = aLine();
  model.transforms = {{Scaler{{1, 1}, {10, 10}}}};
  const auto outputs = engineOf(model)->run({rows(1, {2, 1})}, Deadline::never());
  ASSERT_TRUE(outputs);
  EXPECT_THAT(floatsOf(*outputs), ElementsAre(21));
}

TEST(TabularEngine, RefusesOtherShapesAndTypes) {
  const auto engine = engineOf(aLine());
  for (const Tensors& wrong : {Tensors{}, Tensors{Tensor{{1, 3}, std::vector<float>{1, 2, 3}}},
                               Tensors{Tensor{{1, 2}, std::vector<double>{1, 2}}},
                               Tensors{Tensor{{2}, std::vector<float>{1, 2}}}}) {
    const auto outputs = engine->run(wrong, Deadline::never());
    ASSERT_FALSE(outputs);
    EXPECT_EQ(outputs.error().code, ErrorCode::invalidArgument);
    EXPECT_THAT(outputs.error().message,
                HasSubstr("/input: must be one float32 tensor of shape [rows, 2]"));
  }
}

TEST(TabularEngine, ExplainsALinearModelExactlyInItsMargin) {
  const auto explanation = engineOf(aLogistic())->explain({rows(1, {5, 7})}, Deadline::never());
  ASSERT_TRUE(explanation);
  EXPECT_EQ(explanation->method, "linear");
  EXPECT_THAT(explanation->base, ElementsAre(-1, 1));
  EXPECT_THAT(explanation->contributions, ElementsAre(-10, -21, 10, 21));
}

TEST(TabularEngine, ExplainsBothProbabilitiesThatOneSumMeans) {
  TabularModel model = aLogistic();
  std::get<LinearModel>(model.predictor).link = Link::identity;
  const auto explanation = engineOf(model)->explain({rows(1, {5, 7})}, Deadline::never());
  ASSERT_TRUE(explanation);
  EXPECT_THAT(explanation->base, ElementsAre(0, 1));
  EXPECT_THAT(explanation->contributions, ElementsAre(-10, -21, 10, 21));
}

TEST(TabularEngine, IsQuickUnlessTheModelIsLarge) {
  EXPECT_TRUE(engineOf(aLine())->isQuick());
  TabularModel wide;
  LinearModel line;
  line.features = 200'000;
  line.coefficients.assign(200'000, 1);
  line.intercepts = {0};
  wide.predictor = line;
  EXPECT_FALSE(engineOf(wide)->isQuick());
}

}  // namespace
}  // namespace corbel::inference
