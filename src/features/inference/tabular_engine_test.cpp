#include "inference/tabular_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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

// One split of the first feature, or of category 1 of it.
Tree aStump(Split split = Split::less) {
  Tree tree;
  tree.nodes.resize(3);
  tree.nodes[0].split = split;
  tree.nodes[0].left = 1;
  tree.nodes[0].right = 2;
  tree.nodes[0].cover = 2;
  tree.nodes[1].cover = 1;
  tree.nodes[2].cover = 1;
  tree.nodes[2].value = 1;
  return tree;
}

TabularModel aForest(std::size_t trees = 1) {
  Forest forest;
  forest.features = 2;
  forest.baseScores = {0};
  forest.leafValues = {1, 3};
  forest.trees.assign(trees, aStump());
  TabularModel model;
  model.predictor = std::move(forest);
  return model;
}

// Every tree splits by a set of its own.
TabularModel aCategoryForest(std::uint32_t trees) {
  TabularModel model = aForest(0);
  auto& forest = std::get<Forest>(model.predictor);
  for (std::uint32_t i = 0; i < trees; ++i) {
    forest.trees.push_back(aStump(Split::category));
    forest.trees.back().nodes[0].value = i;
    forest.categories.push_back({i + 1});
  }
  return model;
}

// Each output is its own multiple of the one feature.
TabularModel manyOutputs(std::uint32_t outputs) {
  LinearModel line;
  line.features = 1;
  line.outputs = outputs;
  line.coefficients.resize(outputs);
  std::iota(line.coefficients.begin(), line.coefficients.end(), 0);
  line.intercepts.assign(outputs, 0);
  TabularModel model;
  model.predictor = std::move(line);
  return model;
}

std::shared_ptr<const Model> engineOf(TabularModel model) {
  static const ManualClock kClock;
  auto made = makeTabularEngine(std::move(model), "test", kClock);
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
  const auto explanation = engineOf(aLogistic())->explain({rows(1, {5, 7})}, 1, Deadline::never());
  ASSERT_TRUE(explanation);
  EXPECT_EQ(explanation->method, "linear");
  EXPECT_EQ(explanation->base, 1);
  EXPECT_THAT(explanation->contributions, ElementsAre(10, 21));
}

TEST(TabularEngine, ExplainsBothClassesThatOneMarginMeans) {
  const auto first = engineOf(aLogistic())->explain({rows(1, {5, 7})}, 0, Deadline::never());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->base, -1);
  EXPECT_THAT(first->contributions, ElementsAre(-10, -21));
}

TEST(TabularEngine, ExplainsBothProbabilitiesThatOneSumMeans) {
  TabularModel model = aLogistic();
  std::get<LinearModel>(model.predictor).link = Link::identity;
  const auto first = engineOf(model)->explain({rows(1, {5, 7})}, 0, Deadline::never());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->base, 0);
  EXPECT_THAT(first->contributions, ElementsAre(-10, -21));
}

TEST(TabularEngine, RefusesValuesThatAreNotItsRows) {
  const auto engine = engineOf(aLine());
  for (const Tensor& wrong :
       {rows(2, {1, 2, 3}), rows(1, {1, 2, 3, 4}), rows(-1, {}), rows(std::int64_t{1} << 62, {})}) {
    EXPECT_FALSE(engine->run({wrong}, Deadline::never())) << wrong.shape[0];
    EXPECT_FALSE(engine->explain({wrong}, 0, Deadline::never())) << wrong.shape[0];
  }
  const auto nothing = engine->explain({rows(0, {})}, 0, Deadline::never());
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::invalidArgument);
}

// A small file can claim so many outputs and features that all contributions would take gigabytes.
TEST(TabularEngine, ExplainsOneOutputOnly) {
  TabularModel model;
  Forest forest;
  forest.features = 8192;
  forest.outputs = kMaxOutputs;
  forest.baseScores.assign(kMaxOutputs, 0.5);
  forest.leafValues = {1, 3};
  forest.trees = {aStump(), aStump()};
  forest.trees[1].output = 7;
  forest.trees[1].weight = 10;
  model.predictor = std::move(forest);
  const auto engine = engineOf(std::move(model));
  const Tensors row{Tensor{{1, 8192}, std::vector<float>(8192, -1)}};
  const auto explanation = engine->explain(row, 7, Deadline::never());
  ASSERT_TRUE(explanation) << explanation.error().message;
  EXPECT_EQ(explanation->contributions.size(), 8192U);
  EXPECT_EQ(explanation->contributions[0], -10);
  EXPECT_EQ(explanation->base, 20.5);
  EXPECT_EQ(engine->explain(row, 0, Deadline::never())->contributions[0], -1);
}

TEST(TabularEngine, ExplainsTheOnlyMarginWhateverIsAsked) {
  const Tensors row{rows(1, {-1, 0})};
  EXPECT_EQ(engineOf(aForest())->explain(row, 1, Deadline::never())->base, 2);
}

TEST(TabularEngine, StopsAtTheDeadline) {
  const Deadline over = Deadline::at(ManualClock().steady());
  const auto late = engineOf(aForest())->explain({rows(1, {1, 1})}, 0, over);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::deadlineExceeded);

  const Tensors many{Tensor{{1000, 1}, std::vector<float>(1000)}};
  const auto stopped = engineOf(manyOutputs(kMaxOutputs))->run(many, over);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::deadlineExceeded);
}

TEST(TabularEngine, GivesTheSameInSeveralPortions) {
  constexpr std::uint32_t kOutputs = 30'000;
  std::vector<float> values(400);
  std::iota(values.begin(), values.end(), 0.0F);
  const auto outputs =
      engineOf(manyOutputs(kOutputs))->run({Tensor{{400, 1}, values}}, Deadline::never());
  ASSERT_TRUE(outputs);
  const auto& all = floatsOf(*outputs);
  ASSERT_EQ(all.size(), 400U * kOutputs);
  for (const std::size_t r : {0UL, 1UL, 331UL, 332UL, 333UL, 399UL})
    EXPECT_EQ(all[r * kOutputs + 3], 3 * static_cast<float>(r));
}

TEST(TabularEngine, CountsWhatExplanationsNeed) {
  const auto engine = engineOf(aForest(100));
  const std::size_t before = engine->memoryBytes();
  ASSERT_TRUE(engine->explain({rows(1, {1, 1})}, 0, Deadline::never()));
  EXPECT_GT(engine->memoryBytes(), before + 100 * 3 * sizeof(double));
}

TEST(TabularEngine, CountsCategories) {
  TabularModel model = aCategoryForest(1);
  const std::size_t before = engineOf(model)->memoryBytes();
  std::get<Forest>(model.predictor).categories.emplace_back(100'000);
  EXPECT_GE(engineOf(model)->memoryBytes(), before + 400'000);
}

TEST(TabularEngine, AcceptsMissingValuesWhereTheyMeanSomething) {
  EXPECT_TRUE(engineOf(aForest())->signature().acceptsMissing);
  EXPECT_FALSE(engineOf(aLine())->signature().acceptsMissing);
  TabularModel skips = aLine();
  std::get<LinearModel>(skips.predictor).missingIsZero = true;
  EXPECT_TRUE(engineOf(skips)->signature().acceptsMissing);
  TabularModel fills = aLine();
  fills.transforms = {{Imputer{{5, 5}, std::nan("")}}, {Scaler{{0}, {1}}}};
  EXPECT_TRUE(engineOf(fills)->signature().acceptsMissing);
  fills.transforms = {{Imputer{{5, 5}, -1}}};
  EXPECT_FALSE(engineOf(fills)->signature().acceptsMissing);
}

TEST(TabularEngine, IsNotQuickWithWideLeavesInManyTrees) {
  TabularModel model = aForest(1000);
  EXPECT_TRUE(engineOf(model)->isQuick());
  auto& forest = std::get<Forest>(model.predictor);
  forest.vectorLeaves = true;
  forest.outputs = 200;
  forest.baseScores.assign(200, 0);
  forest.leafValues.assign(201, 1);
  EXPECT_FALSE(engineOf(model)->isQuick());
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
