#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "inference/model_readers.h"
#include "reference_evaluator.h"

namespace corbel::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// x0 <= 0.5 ? 1 : (x1 <= 2 ? 2 : 4). decision_type 2: default left, missing none; 10: default left,
// missing NaN.
std::string aModel() {
  return R"(tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=age height
feature_infos=[0:1] [0:9]

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=0.5 2
decision_type=2 10
left_child=-1 -2
right_child=1 -3
leaf_value=1 2 4
leaf_count=5 3 2
internal_count=10 5
is_linear=0
shrinkage=1

end of trees
)";
}

double predictOne(const std::string& text, std::vector<double> row) {
  const auto model = readLightgbm(bytes(text));
  EXPECT_TRUE(model) << model.error().message;
  return model ? reference::predict(*model, row).back() : NAN;
}

std::string errorOf(const std::string& text) {
  const auto model = readLightgbm(bytes(text));
  if (model) return "it was read";
  EXPECT_EQ(model.error().code, ErrorCode::unprocessable);
  return model.error().message;
}

TEST(LightgbmReader, ReadsSplitsAndLeaves) {
  EXPECT_EQ(predictOne(aModel(), {0.5, 0}), 1);
  EXPECT_EQ(predictOne(aModel(), {0.6, 2}), 2);
  EXPECT_EQ(predictOne(aModel(), {0.6, 2.1}), 4);
}

TEST(LightgbmReader, ComparesInDouble) {
  const std::string text = replaced(aModel(), "threshold=0.5", "threshold=0.1000000000000001");
  EXPECT_EQ(predictOne(text, {0.1000000000000001, 0}), 1);
  EXPECT_EQ(predictOne(text, {0.1000000000000002, 0}), 2);
}

TEST(LightgbmReader, TakesNaNForZeroWhereNothingIsMissing) {
  EXPECT_EQ(predictOne(aModel(), {NAN, 9}), 1);  // 0 <= 0.5
  EXPECT_EQ(predictOne(replaced(aModel(), "threshold=0.5", "threshold=-0.5"), {NAN, 9}), 4);
}

TEST(LightgbmReader, SendsNaNInTheDefaultDirection) {
  EXPECT_EQ(predictOne(aModel(), {1, NAN}), 2);
  EXPECT_EQ(predictOne(replaced(aModel(), "decision_type=2 10", "decision_type=2 8"), {1, NAN}), 4);
}

TEST(LightgbmReader, SendsZeroInTheDefaultDirectionWhereZeroIsMissing) {
  const std::string text = replaced(aModel(), "decision_type=2 10", "decision_type=4 10");
  EXPECT_EQ(predictOne(text, {0, 9}), 4);
  EXPECT_EQ(predictOne(text, {1e-36, 9}), 4);
  EXPECT_EQ(predictOne(text, {NAN, 9}), 4);
  EXPECT_EQ(predictOne(text, {0.1, 9}), 1);
}

TEST(LightgbmReader, SendsCategoriesOfTheSetToTheLeft) {
  std::string text = replaced(aModel(), "num_cat=0", "num_cat=1");
  text = replaced(text, "decision_type=2 10", "decision_type=2 1");
  text = replaced(text, "threshold=0.5 2", "threshold=0.5 0");
  text = replaced(text, "is_linear=0", "cat_boundaries=0 2\ncat_threshold=2 1\nis_linear=0");
  EXPECT_EQ(predictOne(text, {1, 1}), 2);
  EXPECT_EQ(predictOne(text, {1, 32}), 2);
  EXPECT_EQ(predictOne(text, {1, 1.9}), 2);
  EXPECT_EQ(predictOne(text, {1, 0}), 4);
  EXPECT_EQ(predictOne(text, {1, -1}), 4);
  EXPECT_EQ(predictOne(text, {1, 1e300}), 4);
  EXPECT_EQ(predictOne(text, {1, NAN}), 4);
}

TEST(LightgbmReader, AppliesTheObjectivesLink) {
  EXPECT_DOUBLE_EQ(predictOne(replaced(aModel(), "=regression", "=binary sigmoid:2"), {0, 0}),
                   1 / (1 + std::exp(-2.0)));
  EXPECT_DOUBLE_EQ(predictOne(replaced(aModel(), "=regression", "=regression sqrt"), {1, 9}), 16);
  EXPECT_DOUBLE_EQ(predictOne(replaced(aModel(), "=regression", "=poisson"), {1, 9}), std::exp(4));
}

TEST(LightgbmReader, KeepsNamesAndCounts) {
  const auto model = readLightgbm(bytes(aModel()));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(model->featureNames, ElementsAre("age", "height"));
  EXPECT_EQ(std::get<Forest>(model->predictor).trees[0].nodes[0].cover, 10);
}

TEST(LightgbmReader, RefusesAChildIndexOutsideTheTree) {
  EXPECT_EQ(errorOf(replaced(aModel(), "right_child=1 -3", "right_child=1 -4")),
            "tree 0, node 1: right child -4 is outside the tree (2 splits, 3 leaves)");
  EXPECT_EQ(errorOf(replaced(aModel(), "right_child=1 -3", "right_child=9 -3")),
            "tree 0, node 0: right child 9 is outside the tree (2 splits, 3 leaves)");
  EXPECT_EQ(errorOf(replaced(aModel(), "right_child=1 -3", "right_child=1 -2147483648")),
            "tree 0, node 1: right child -2147483648 is outside the tree (2 splits, 3 leaves)");
}

TEST(LightgbmReader, RefusesACycle) {
  EXPECT_EQ(errorOf(replaced(aModel(), "left_child=-1 -2", "left_child=-1 0")),
            "tree 0, node 1: left child 0 has another parent or is its own ancestor");
}

TEST(LightgbmReader, RefusesAFeatureOutsideTheModel) {
  EXPECT_EQ(errorOf(replaced(aModel(), "split_feature=0 1", "split_feature=0 2")),
            "tree 0, node 1: feature 2 is not one of the 2 features");
}

TEST(LightgbmReader, RefusesAThresholdThatIsNotANumber) {
  EXPECT_EQ(errorOf(replaced(aModel(), "threshold=0.5", "threshold=nan")),
            "tree 0, node 0: the threshold is not a number");
}

TEST(LightgbmReader, RefusesFalseCounts) {
  EXPECT_EQ(errorOf(replaced(aModel(), "num_leaves=3", "num_leaves=2147483647")),
            "tree 0: leaf_value has 3 values, expected 2147483647");
  EXPECT_EQ(errorOf(replaced(aModel(), "num_leaves=3", "num_leaves=2147483648")),
            "tree 0: num_leaves: \"2147483648\" is not a number in range");
  EXPECT_THAT(errorOf(replaced(aModel(), "iteration=1", "iteration=4000000000")),
              HasSubstr("num_tree_per_iteration: must be from 1 to 65536"));
  EXPECT_THAT(errorOf(replaced(aModel(), "max_feature_idx=1", "max_feature_idx=4294967295")),
              HasSubstr("max_feature_idx: must be below 16777216"));
}

TEST(LightgbmReader, RefusesCategoriesOutsideTheWords) {
  std::string text = replaced(aModel(), "num_cat=0", "num_cat=1");
  text = replaced(text, "decision_type=2 10", "decision_type=2 1");
  text = replaced(text, "threshold=0.5 2", "threshold=0.5 0");
  EXPECT_EQ(errorOf(replaced(text, "is_linear=0", "cat_boundaries=0 3\ncat_threshold=2 1")),
            "tree 0, node 1: categories 0 to 3 are outside the 2 words");
}

TEST(LightgbmReader, RefusesLinearLeaves) {
  EXPECT_EQ(errorOf(replaced(aModel(), "is_linear=0", "is_linear=1")),
            "tree 0: has linear models in its leaves: not supported");
}

TEST(LightgbmReader, RefusesAnUnknownObjectiveByName) {
  EXPECT_EQ(errorOf(replaced(aModel(), "=regression", "=magic")),
            "objective: \"magic\" is not known");
}

TEST(LightgbmReader, RefusesEveryTruncation) {
  const std::string text = aModel();
  for (std::size_t length = 0; length < text.find("end of trees") + 12; ++length) {
    EXPECT_NE(errorOf(text.substr(0, length)), "it was read") << length;
  }
}

}  // namespace
}  // namespace corbel::inference
