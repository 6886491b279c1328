#include "inference/prediction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corbel::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Tensor floats(std::vector<std::int64_t> shape, std::vector<float> values) {
  return {std::move(shape), std::move(values)};
}

Signature aClassifier(int probabilities, int labels, std::vector<std::string> classLabels = {}) {
  Signature signature;
  signature.task = ModelTask::classification;
  signature.probabilities = probabilities;
  signature.labels = labels;
  signature.classLabels = std::move(classLabels);
  return signature;
}

TEST(PredictionOf, TakesTheMostProbableClassOfItsRow) {
  const auto prediction = predictionOf(aClassifier(0, -1, {"cat", "dog"}),
                                       {floats({2, 2}, {0.9F, 0.1F, 0.25F, 0.75F})}, 1);
  ASSERT_TRUE(prediction);
  EXPECT_EQ(prediction->classIndex, 1U);
  EXPECT_EQ(prediction->label, "dog");
  EXPECT_EQ(prediction->confidence(), 0.75);
  EXPECT_THAT(prediction->probabilities, ElementsAre(0.25, 0.75));
}

// Some classifiers decide by a score and not by their probabilities.
TEST(PredictionOf, BelievesTheLabelOfTheModel) {
  const Tensors outputs = {Tensor{{1}, std::vector<std::string>{"dog"}},
                           floats({1, 2}, {0.6F, 0.4F})};
  const auto prediction = predictionOf(aClassifier(1, 0, {"cat", "dog"}), outputs, 0);
  ASSERT_TRUE(prediction);
  EXPECT_EQ(prediction->label, "dog");
  EXPECT_EQ(prediction->classIndex, 1U);
  EXPECT_FLOAT_EQ(static_cast<float>(*prediction->confidence()), 0.4F);
}

TEST(PredictionOf, ReadsNumberedLabelsOfAZipMap) {
  const Tensors outputs = {Tensor{{2}, std::vector<std::int64_t>{7, 5}},
                           floats({2, 2}, {0.2F, 0.8F, 0.6F, 0.4F})};
  const auto prediction = predictionOf(aClassifier(1, 0, {"5", "7"}), outputs, 0);
  ASSERT_TRUE(prediction);
  EXPECT_EQ(prediction->label, "7");
  EXPECT_EQ(prediction->classIndex, 1U);
}

TEST(PredictionOf, HasNoConfidenceWhereTheModelTellsOnlyTheClass) {
  const auto prediction =
      predictionOf(aClassifier(-1, 0, {"no", "yes"}),
                   {Tensor{{1}, std::vector<std::string>{"yes"}}, floats({1, 1}, {2})}, 0);
  ASSERT_TRUE(prediction);
  EXPECT_EQ(prediction->classIndex, 1U);
  EXPECT_THAT(prediction->probabilities, IsEmpty());
  EXPECT_EQ(prediction->confidence(), std::nullopt);
}

TEST(PredictionOf, GivesARegressionsNumbers) {
  Signature signature;
  signature.task = ModelTask::regression;
  const auto prediction = predictionOf(signature, {floats({3, 1}, {1, 2, 3})}, 2);
  ASSERT_TRUE(prediction);
  EXPECT_THAT(prediction->values, ElementsAre(3));
  EXPECT_EQ(prediction->classIndex, std::nullopt);
}

TEST(PredictionOf, GivesTheTextsOfAModelThatReturnsTexts) {
  const auto prediction = predictionOf({}, {Tensor{{1, 2}, std::vector<std::string>{"a", "b"}}}, 0);
  ASSERT_TRUE(prediction);
  EXPECT_THAT(prediction->texts, ElementsAre("a", "b"));
}

TEST(PredictionOf, TakesAScalarAsItsOneRow) {
  const auto prediction = predictionOf({}, {floats({}, {4})}, 0);
  ASSERT_TRUE(prediction);
  EXPECT_THAT(prediction->values, ElementsAre(4));
}

TEST(PredictionOf, RefusesARowThatTheModelDidNotReturn) {
  const auto prediction = predictionOf({}, {floats({1, 1}, {4})}, 1);
  ASSERT_FALSE(prediction);
  EXPECT_EQ(prediction.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace corbel::inference
