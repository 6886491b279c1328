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

// x0 < 0.5 ? (x1 < 2 ? 1 : 2) : 4, missing x0 goes right, missing x1 left.
constexpr std::string_view kTree =
    R"({"base_weights":[0,0,4,1,2],"categories":[],"categories_nodes":[],
"categories_segments":[],"categories_sizes":[],"default_left":[0,1,0,0,0],"id":0,"left_children":[1,3,-1,-1,-1],
"loss_changes":[9,8,0,0,0],"parents":[2147483647,0,0,1,1],"right_children":[2,4,-1,-1,-1],
"split_conditions":[0.5,2.0,4.0,1.0,2.0],"split_indices":[0,1,0,0,0],"split_type":[0,0,0,0,0],
"sum_hessian":[10,6,4,3,3],"tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"5","size_leaf_vector":"1"}})";

std::string aModel(std::string_view tree = kTree) {
  return replaced(
      R"({"learner":{"attributes":{"best_iteration":"0"},"feature_names":["age","height"],
"feature_types":["float","float"],"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1",
"num_trees":"1"},"iteration_indptr":[0,1],"tree_info":[0],"trees":[TREE]},"name":"gbtree"},
"learner_model_param":{"base_score":"5E-1","boost_from_average":"1","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"reg:squarederror","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[2,1,4]})",
      "TREE", tree);
}

double predictOne(const TabularModel& model, std::vector<double> row) {
  return reference::predict(model, row).at(0);
}

std::string errorOf(const std::string& text) {
  const auto model = readXgboost(bytes(text));
  if (model) return "it was read";
  EXPECT_EQ(model.error().code, ErrorCode::unprocessable);
  return model.error().message;
}

TEST(XgboostReader, ReadsSplitsLeavesAndTheBaseScore) {
  const auto model = readXgboost(bytes(aModel()));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(predictOne(*model, {0.4, 1.9}), 1.5);
  EXPECT_EQ(predictOne(*model, {0.4, 2}), 2.5);
  EXPECT_EQ(predictOne(*model, {0.5, 0}), 4.5);
}

TEST(XgboostReader, SendsMissingValuesInTheNodesDefaultDirection) {
  const auto model = readXgboost(bytes(aModel()));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(predictOne(*model, {NAN, 0}), 4.5);
  EXPECT_EQ(predictOne(*model, {0, NAN}), 1.5);
}

TEST(XgboostReader, KeepsNamesAndCovers) {
  const auto model = readXgboost(bytes(aModel()));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(model->featureNames, ElementsAre("age", "height"));
  EXPECT_EQ(std::get<Forest>(model->predictor).trees[0].nodes[0].cover, 10);
}

TEST(XgboostReader, ComparesInFloat) {
  const auto model = readXgboost(bytes(replaced(aModel(), "[0.5,2.0", "[0.1,2.0")));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(predictOne(*model, {0.1, 0}), 4.5);  // float(0.1) < float(0.1) is false
}

TEST(XgboostReader, TurnsTheBaseScoreIntoAMargin) {
  const auto text =
      replaced(replaced(aModel(), "reg:squarederror", "count:poisson"), "5E-1", "[2E0]");
  const auto model = readXgboost(bytes(text));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_FLOAT_EQ(static_cast<float>(predictOne(*model, {0, 0})), std::exp(std::log(2.0F) + 1));
}

TEST(XgboostReader, GivesABinaryClassifierBothProbabilities) {
  const auto model = readXgboost(bytes(replaced(aModel(), "reg:squarederror", "binary:logistic")));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->task, Task::classifier);
  const auto probabilities = reference::predict(*model, std::vector<double>{0, 0});
  ASSERT_EQ(probabilities.size(), 2);
  EXPECT_FLOAT_EQ(static_cast<float>(probabilities[1]), 1 / (1 + std::exp(-1.0F)));
  EXPECT_FLOAT_EQ(static_cast<float>(probabilities[0] + probabilities[1]), 1);
}

TEST(XgboostReader, SendsCategoriesOfTheSetToTheRight) {
  std::string text = replaced(aModel(), R"("split_type":[0,0)", R"("split_type":[1,0)");
  text = replaced(text, R"("categories":[])", R"("categories":[1,40])");
  text = replaced(text, R"("categories_nodes":[])", R"("categories_nodes":[0])");
  text = replaced(text, R"("categories_segments":[])", R"("categories_segments":[0])");
  text = replaced(text, R"("categories_sizes":[])", R"("categories_sizes":[2])");
  const auto model = readXgboost(bytes(text));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(predictOne(*model, {1, 0}), 4.5);
  EXPECT_EQ(predictOne(*model, {40, 0}), 4.5);
  EXPECT_EQ(predictOne(*model, {2, 0}), 1.5);
  EXPECT_EQ(predictOne(*model, {-1, 0}), 1.5);
  EXPECT_EQ(predictOne(*model, {1e9, 0}), 1.5);
  EXPECT_EQ(predictOne(*model, {NAN, 0}), 4.5);
}

TEST(XgboostReader, DropsNodesThatPruningLeftBehind) {
  std::string text = replaced(aModel(), R"("left_children":[1,3)", R"("left_children":[1,-1)");
  text = replaced(text, R"("right_children":[2,4)", R"("right_children":[2,-1)");
  const auto model = readXgboost(bytes(text));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(std::get<Forest>(model->predictor).trees[0].nodes.size(), 3);
  EXPECT_EQ(predictOne(*model, {0, 0}), 2.5);
}

TEST(XgboostReader, ReadsVectorLeaves) {
  std::string text = replaced(aModel(), R"("size_leaf_vector":"1")", R"("size_leaf_vector":"2")");
  text = replaced(text, R"("num_target":"1")", R"("num_target":"2")");
  text = replaced(text, R"("right_children":[2,4,-1,-1,-1])",
                  R"("leaf_weights":[1,2,3,4,5,6],"right_children":[2,4,0,1,2])");
  const auto model = readXgboost(bytes(text));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(reference::predict(*model, std::vector<double>{1, 0}), ElementsAre(1.5, 2.5));
  EXPECT_THAT(reference::predict(*model, std::vector<double>{0, 9}), ElementsAre(5.5, 6.5));
}

TEST(XgboostReader, ReadsFilesOfVersion1) {
  std::string text = replaced(aModel(), "\"default_left\":[0,1,0,0,0]",
                              "\"default_left\":[false,true,false,false,false]");
  text = replaced(text, "\"split_type\":[0,0,0,0,0],", "");
  text = replaced(text, "\"iteration_indptr\":[0,1],", "");
  text = replaced(text, ",\"num_target\":\"1\"", "");
  text = replaced(text, "\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"0\"");
  const auto model = readXgboost(bytes(text), Rounds::upToBest);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(predictOne(*model, {0, NAN}), 1.5);
  EXPECT_EQ(predictOne(*model, {NAN, 0}), 4.5);
}

TEST(XgboostReader, StopsAtTheBestIterationOnlyWhenAsked) {
  std::string text = replaced(aModel(), "\"tree_info\":[0]", "\"tree_info\":[0,0]");
  text = replaced(text, "[0,1],\"tree_info\"", "[0,1,2],\"tree_info\"");
  text = replaced(
      text, "]},\"name\":\"gbtree\"",
      "," + replaced(std::string(kTree), "\"id\":0", "\"id\":1") + "]},\"name\":\"gbtree\"");
  const auto all = readXgboost(bytes(text));
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(predictOne(*all, {0, 0}), 2.5);
  const auto best = readXgboost(bytes(text), Rounds::upToBest);
  ASSERT_TRUE(best) << best.error().message;
  EXPECT_EQ(predictOne(*best, {0, 0}), 1.5);
}

TEST(XgboostReader, ReadsALinearBooster) {
  const std::string text =
      R"({"learner":{"gradient_booster":{"model":{"boosted_rounds":2,"weights":[1,2,10,20,100,200]},
"name":"gblinear"},"learner_model_param":{"base_score":"[1,2]","num_class":"2","num_feature":"2","num_target":"1"},
"objective":{"name":"reg:squarederror"}},"version":[3,2,0]})";
  const auto model = readXgboost(bytes(text));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(reference::predict(*model, std::vector<double>{1, 1}), ElementsAre(112, 224));
  EXPECT_THAT(reference::predict(*model, std::vector<double>{1, NAN}), ElementsAre(102, 204));
}

TEST(XgboostReader, RefusesAChildIndexOutsideTheTree) {
  EXPECT_EQ(errorOf(replaced(aModel(), R"("right_children":[2,4)", R"("right_children":[2,9001)")),
            "tree 0, node 1: right child 9001 is outside the tree (5 nodes)");
  EXPECT_EQ(errorOf(replaced(aModel(), R"("left_children":[1)", R"("left_children":[-7)")),
            "tree 0, node 0: left child -7 is outside the tree (5 nodes)");
}

TEST(XgboostReader, RefusesACycle) {
  EXPECT_EQ(errorOf(replaced(aModel(), R"("left_children":[1,3)", R"("left_children":[1,0)")),
            "tree 0, node 1: left child 0 has another parent or is its own ancestor");
}

TEST(XgboostReader, RefusesAFeatureOutsideTheModel) {
  EXPECT_EQ(errorOf(replaced(aModel(), R"("split_indices":[0,1)", R"("split_indices":[0,2)")),
            "tree 0, node 1: feature 2 is not one of the 2 features");
  EXPECT_EQ(errorOf(replaced(aModel(), R"("split_indices":[0,1)", R"("split_indices":[0,-1)")),
            "tree 0, node 1: feature -1 is not one of the 2 features");
}

TEST(XgboostReader, RefusesAnOutputOutsideTheModel) {
  EXPECT_EQ(errorOf(replaced(aModel(), R"("tree_info":[0])", R"("tree_info":[1])")),
            "tree 0: output 1 is not one of the 1 outputs");
}

TEST(XgboostReader, RefusesAThresholdThatIsNotANumber) {
  EXPECT_EQ(errorOf(replaced(aModel(), "[0.5,2.0", "[NaN,2.0")),
            "tree 0, node 0: the threshold is not a number");
}

TEST(XgboostReader, RefusesMoreNodesThanTheFileHolds) {
  EXPECT_EQ(errorOf(replaced(aModel(), R"("num_nodes":"5")", R"("num_nodes":"2147483648")")),
            "tree 0: left_children has 5 values for 2147483648 nodes");
}

TEST(XgboostReader, RefusesMoreOutputsThanAreAllowed) {
  EXPECT_EQ(errorOf(replaced(aModel(), R"("num_class":"0")", R"("num_class":"4294967295")")),
            "learner_model_param: 4294967295 outputs, allowed are up to 65536");
}

TEST(XgboostReader, RefusesCategorySetsFarLargerThanTheFile) {
  std::string text = replaced(aModel(), R"("split_type":[0,0)", R"("split_type":[1,0)");
  text = replaced(text, R"("categories":[])", R"("categories":[16777215])");
  text = replaced(text, R"("categories_nodes":[])", R"("categories_nodes":[0])");
  text = replaced(text, R"("categories_segments":[])", R"("categories_segments":[0])");
  text = replaced(text, R"("categories_sizes":[])", R"("categories_sizes":[1])");
  EXPECT_EQ(errorOf(text),
            "tree 0: the category sets would need far more memory than the file's size justifies");
}

TEST(XgboostReader, RefusesEveryTruncation) {
  const std::string text = aModel();
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_NE(errorOf(text.substr(0, length)), "it was read") << length;
  }
}

TEST(XgboostReader, RefusesDeepNestingWithoutRecursion) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(errorOf("{\"x\":" + deep), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(errorOf("{\"learner\":{\"gradient_booster\":{\"model\":{\"trees\":" + deep),
              HasSubstr("'{' expected"));
}

TEST(XgboostReader, RefusesAnUnknownObjectiveByName) {
  EXPECT_EQ(errorOf(replaced(aModel(), "reg:squarederror", "my:loss")),
            "objective/name: \"my:loss\" is not known");
}

TEST(XgboostReader, RefusesAFileThatIsNoModel) {
  EXPECT_EQ(errorOf("{}"), "learner: is missing, so this is no XGBoost model");
  EXPECT_THAT(errorOf("tree\nversion=v4\n"), HasSubstr("expected"));
  EXPECT_THAT(errorOf(""), HasSubstr("ends too early"));
}

}  // namespace
}  // namespace corbel::inference
