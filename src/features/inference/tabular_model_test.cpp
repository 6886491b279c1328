#include "inference/tabular_model.h"

#include <gtest/gtest.h>

namespace corbel::inference {
namespace {

TabularModel aLinearModel() {
  LinearModel linear;
  linear.features = 2;
  linear.coefficients = {1, 2};
  linear.intercepts = {3};
  TabularModel model;
  model.predictor = linear;
  return model;
}

std::string errorOf(const TabularModel& model) {
  const auto result = validate(model);
  return result ? "valid" : result.error().message;
}

TEST(TabularModel, HasTwoOutputsWhereAComplementIsAdded) {
  TabularModel model = aLinearModel();
  EXPECT_EQ(outputs(model), 1);
  model.finish = Finish::complement;
  EXPECT_EQ(outputs(model), 2);
}

TEST(TabularModel, RefusesLabelsThatDoNotMatchTheOutputs) {
  TabularModel model = aLinearModel();
  model.classLabels = std::vector<std::int64_t>{0, 1};
  EXPECT_EQ(errorOf(model), "valid");
  model.classLabels = std::vector<std::int64_t>{0, 1, 2};
  EXPECT_EQ(errorOf(model), "the model has 3 class labels for 1 outputs");
}

TEST(TabularModel, RefusesACountOfNamesOtherThanTheFeatures) {
  TabularModel model = aLinearModel();
  model.featureNames = {"age"};
  EXPECT_EQ(errorOf(model), "the file names 1 features, the model has 2");
}

TEST(TabularModel, RefusesNamesThatAreNotUtf8) {
  TabularModel model = aLinearModel();
  model.featureNames = {"age", "\xFF"};
  EXPECT_EQ(errorOf(model), "a feature name or class label is not UTF-8");
  model.featureNames.clear();
  model.classLabels = std::vector<std::string>{"no", "\xC3"};
  EXPECT_EQ(errorOf(model), "a feature name or class label is not UTF-8");
}

TEST(TabularModel, RefusesTransformsOfAnotherWidth) {
  TabularModel model = aLinearModel();
  model.transforms = {{Scaler{{0}, {1, 1}}, Precision::float32}};
  EXPECT_EQ(errorOf(model), "valid");
  model.transforms = {{Scaler{{0}, {1, 1, 1}}, Precision::float32}};
  EXPECT_EQ(errorOf(model), "the scaler's scale has 3 values for 2 features");
  model.transforms = {{Imputer{{}, 0}, Precision::float32}};
  EXPECT_EQ(errorOf(model), "the imputer has 0 values for 2 features");
}

TEST(TabularModel, RefusesCoefficientsThatDoNotFillTheMatrix) {
  TabularModel model = aLinearModel();
  std::get<LinearModel>(model.predictor).coefficients.pop_back();
  EXPECT_EQ(errorOf(model), "the model has 1 coefficients for 1 outputs of 2 features");
}

TEST(TabularModel, RefusesInterceptsThatDoNotMatchTheOutputs) {
  TabularModel model = aLinearModel();
  std::get<LinearModel>(model.predictor).intercepts.clear();
  EXPECT_EQ(errorOf(model), "the model has 0 intercepts for 1 outputs");
}

}  // namespace
}  // namespace corbel::inference
