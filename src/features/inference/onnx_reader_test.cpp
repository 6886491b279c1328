#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "inference/model_readers.h"
#include "onnx_writer.h"
#include "reference_evaluator.h"

namespace corbel::inference {
namespace {

using namespace onnx_writer;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view content) {
  return std::as_bytes(std::span(content));
}

// x0 <= 0.5 ? leaf 1 : (x1 <= 2 ? leaf 3 : leaf 4); missing x0 follows "true".
struct TreeText {
  std::vector<std::int64_t> treeIds = {0, 0, 0, 0, 0};
  std::vector<std::int64_t> nodeIds = {0, 1, 2, 3, 4};
  std::vector<std::int64_t> features = {0, 0, 1, 0, 0};
  std::vector<std::int64_t> trueIds = {1, 0, 3, 0, 0};
  std::vector<std::int64_t> falseIds = {2, 0, 4, 0, 0};
  std::vector<std::string_view> modes = {"BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"};
  std::vector<float> values = {0.5F, 0, 2, 0, 0};

  std::string attributes() const {
    return integers("nodes_treeids", treeIds) + integers("nodes_nodeids", nodeIds) +
           integers("nodes_featureids", features) + integers("nodes_truenodeids", trueIds) +
           integers("nodes_falsenodeids", falseIds) + texts("nodes_modes", modes) +
           floats("nodes_values", values) +
           integers("nodes_missing_value_tracks_true", {1, 0, 0, 0, 0});
  }
};

std::string weights(const std::string& prefix, const std::vector<std::int64_t>& nodeIds,
                    const std::vector<std::int64_t>& targets, const std::vector<float>& values) {
  return integers(prefix + "_treeids", std::vector<std::int64_t>(nodeIds.size(), 0)) +
         integers(prefix + "_nodeids", nodeIds) + integers(prefix + "_ids", targets) +
         floats(prefix + "_weights", values);
}

std::string aRegressor(const TreeText& tree = {}, const std::string& more = "",
                       std::int64_t targets = 1) {
  return model(input("X", 2) + output("y") +
               node("TreeEnsembleRegressor", {"X"}, {"y"},
                    tree.attributes() + weights("target", {1, 3, 4}, {0, 0, 0}, {10, 20, 30}) +
                        integer("n_targets", targets) + more));
}

std::string aClassifier(const std::string& weightsText, const std::string& more) {
  return model(input("X", 2) + output("label") + output("scores") +
               node("TreeEnsembleClassifier", {"X"}, {"label", "scores"},
                    TreeText().attributes() + weightsText + more));
}

TabularModel modelOf(const std::string& file) {
  auto reading = readOnnx(bytes(file));
  if (!reading || !reading->model) {
    ADD_FAILURE() << (reading ? reading->otherwise : reading.error().message);
    return {};
  }
  return std::move(*reading->model);
}

std::vector<double> predict(const std::string& file, std::vector<double> row) {
  const TabularModel model = modelOf(file);
  return features(model) == row.size() ? reference::predict(model, row) : std::vector<double>();
}

std::string refusalOf(const std::string& file) {
  const auto reading = readOnnx(bytes(file));
  if (reading) return reading->model ? "it was read" : "not tabular: " + reading->otherwise;
  EXPECT_EQ(reading.error().code, ErrorCode::unprocessable);
  return reading.error().message;
}

TEST(OnnxReader, ReadsATreeRegressor) {
  EXPECT_THAT(predict(aRegressor(), {0.5, 9}), ElementsAre(10));
  EXPECT_THAT(predict(aRegressor(), {0.6, 2}), ElementsAre(20));
  EXPECT_THAT(predict(aRegressor(), {0.6, 2.5}), ElementsAre(30));
  EXPECT_THAT(predict(aRegressor(), {NAN, 2.5}), ElementsAre(10));
  EXPECT_THAT(predict(aRegressor(), {0.6, NAN}), ElementsAre(30));
}

TEST(OnnxReader, AddsBaseValuesAfterTheAverage) {
  const std::string more = word("aggregate_function", "AVERAGE") + floats("base_values", {5});
  EXPECT_THAT(predict(aRegressor({}, more), {0.5, 9}), ElementsAre(15));
}

TEST(OnnxReader, SendsNaNThroughNotEqual) {
  TreeText tree;
  tree.modes[2] = "BRANCH_NEQ";
  EXPECT_THAT(predict(aRegressor(tree), {0.6, NAN}), ElementsAre(20));
  EXPECT_THAT(predict(aRegressor(tree), {0.6, 2}), ElementsAre(30));
}

TEST(OnnxReader, TakesPositiveWeightsOfTwoClassesForProbabilities) {
  const std::string file = aClassifier(weights("class", {1, 3, 4}, {0, 0, 0}, {0.25F, 0.5F, 1}),
                                       integers("classlabels_int64s", {7, 8}));
  EXPECT_THAT(predict(file, {0, 0}), ElementsAre(0.75, 0.25));
  EXPECT_EQ(std::get<0>(modelOf(file).classLabels), (std::vector<std::int64_t>{7, 8}));
}

TEST(OnnxReader, AppliesTheLogisticOfTwoClassesToTheOneScore) {
  const std::string file =
      aClassifier(weights("class", {1, 3, 4}, {0, 0, 0}, {-1, 0, 1}),
                  texts("classlabels_strings", {"no", "yes"}) + word("post_transform", "LOGISTIC"));
  const double p = 1 / (1 + std::exp(1.0));
  EXPECT_THAT(predict(file, {0, 0}), ElementsAre(DoubleNear(1 - p, 1e-7), DoubleNear(p, 1e-7)));
  EXPECT_EQ(modelOf(file).task, Task::classifier);
}

TEST(OnnxReader, LeavesBinaryOddsAndEndsToOnnxRuntime) {
  const std::string labels = integers("classlabels_int64s", {0, 1});
  EXPECT_EQ(refusalOf(aClassifier(weights("class", {1, 3, 4}, {0, 0, 0}, {-1, 0, 1}), labels)),
            "not tabular: TreeEnsembleClassifier: two classes with weights of both signs and no "
            "LOGISTIC");
  EXPECT_EQ(refusalOf(aClassifier(weights("class", {1, 3, 4}, {0, 1, 0}, {1, 1, 1}), labels)),
            "not tabular: TreeEnsembleClassifier: two classes with weights for the second in some "
            "rows only");
}

TEST(OnnxReader, GivesLeavesAValueForEachOfSeveralClasses) {
  const std::string file =
      aClassifier(weights("class", {1, 1, 3, 4}, {0, 2, 1, 2}, {0.25F, 0.75F, 1, 1}),
                  integers("classlabels_int64s", {0, 1, 2}));
  EXPECT_THAT(predict(file, {0, 0}), ElementsAre(0.25, 0, 0.75));
  EXPECT_THAT(predict(file, {1, 0}), ElementsAre(0, 1, 0));
}

std::string aTreeEnsemble(std::vector<std::int64_t> trueIds = {0, 1}) {
  return model(input("X", 2) + output("y") +
               node("TreeEnsemble", {"X"}, {"y"},
                    integers("tree_roots", {0}) + integers("nodes_featureids", {0, 1}) +
                        integers("nodes_truenodeids", trueIds) +
                        integers("nodes_falsenodeids", {1, 2}) +
                        integers("nodes_trueleafs", {1, 1}) + integers("nodes_falseleafs", {0, 1}) +
                        integers("leaf_targetids", {0, 0, 0}) + integer("n_targets", 1) +
                        tensorAttribute("nodes_modes", byteTensor({0, 3})) +
                        tensorAttribute("nodes_splits", tensor("", {2}, {0.5F, 2})) +
                        tensorAttribute("leaf_weights", tensor("", {3}, {10, 20, 30}))));
}

TEST(OnnxReader, ReadsTheTreeEnsembleOfVersion5) {
  EXPECT_THAT(predict(aTreeEnsemble(), {0.5, 9}), ElementsAre(10));
  EXPECT_THAT(predict(aTreeEnsemble(), {0.6, 3}), ElementsAre(20));
  EXPECT_THAT(predict(aTreeEnsemble(), {0.6, 2}), ElementsAre(30));
}

TEST(OnnxReader, RefusesLeavesOutsideTheTreeEnsemble) {
  EXPECT_EQ(refusalOf(aTreeEnsemble({0, 3})),
            "TreeEnsemble: tree 0, node 1: leaf 3 is outside the 3 leaves");
}

std::string linearAfter(const std::string& nodes, std::string_view from) {
  return model(input("X", 2) + output("y") + nodes +
               node("LinearRegressor", {from}, {"y"},
                    floats("coefficients", {1, 10}) + floats("intercepts", {100})));
}

TEST(OnnxReader, AppliesRowTransformsInOrder) {
  const std::string scaler =
      node("Scaler", {"X"}, {"s"}, floats("offset", {1, 2}) + floats("scale", {2, 3}));
  EXPECT_THAT(predict(linearAfter(scaler, "s"), {2, 3}), ElementsAre(132));
  const std::string norm = node("Normalizer", {"X"}, {"n"}, word("norm", "L1"));
  EXPECT_THAT(predict(linearAfter(norm, "n"), {1, -3}), ElementsAre(100.25 - 7.5));
  const std::string imputer =
      node("Imputer", {"X"}, {"i"},
           floats("imputed_value_floats", {5, 6}) + real("replaced_value_float", NAN));
  EXPECT_THAT(predict(linearAfter(imputer, "i"), {NAN, 1}), ElementsAre(115));
}

TEST(OnnxReader, NamesColumnsAfterInputsThatAreJoined) {
  const std::string file =
      model(input("age", 1) + input("height", 1) + output("y") +
            node("Concat", {"age", "height"}, {"x"}, integer("axis", 1), "") +
            node("LinearRegressor", {"x"}, {"y"}, floats("coefficients", {1, 10})));
  EXPECT_THAT(modelOf(file).featureNames, ElementsAre("age", "height"));
  EXPECT_THAT(predict(file, {1, 2}), ElementsAre(21));
}

TEST(OnnxReader, NamesTheOperatorItLeavesToAnotherEngine) {
  EXPECT_EQ(refusalOf(linearAfter(node("Conv", {"X"}, {"c"}, "", ""), "c")),
            "not tabular: Conv: no operator of a tabular pipeline");
  EXPECT_EQ(refusalOf(linearAfter("", "nowhere")),
            "not tabular: LinearRegressor: its input 0 is not a row");
  EXPECT_EQ(refusalOf(model(input("X", 2, 8) + output("X"))),
            "not tabular: input X is not of numbers");
}

TEST(OnnxReader, RefusesAChildThatIsNoNode) {
  TreeText tree;
  tree.falseIds[2] = 9001;
  EXPECT_EQ(refusalOf(aRegressor(tree)),
            "TreeEnsembleRegressor: tree 0, node 2: false child 9001 is outside the tree (5 "
            "nodes)");
  tree.falseIds[2] = -1;
  EXPECT_THAT(refusalOf(aRegressor(tree)), HasSubstr("false child -1 is outside"));
}

TEST(OnnxReader, RefusesACycle) {
  TreeText tree;
  tree.falseIds[2] = 0;
  EXPECT_EQ(refusalOf(aRegressor(tree)),
            "TreeEnsembleRegressor: tree 0, node 2: right child 0 has another parent or is its own "
            "ancestor");
}

TEST(OnnxReader, RefusesFeaturesOutsideTheRow) {
  TreeText tree;
  tree.features[2] = 2;
  EXPECT_EQ(refusalOf(aRegressor(tree)), "tree 0, node 2: feature 2 is not one of the 2 features");
  tree.features[2] = std::int64_t{1} << 40;
  EXPECT_THAT(refusalOf(aRegressor(tree)), HasSubstr("feature 1099511627776 is not from 0 to"));
  tree.features[2] = -1;
  EXPECT_THAT(refusalOf(aRegressor(tree)), HasSubstr("feature -1 is not from 0 to"));
}

TEST(OnnxReader, RefusesAClassOutsideTheLabels) {
  EXPECT_EQ(refusalOf(aClassifier(weights("class", {1}, {3}, {1}),
                                  integers("classlabels_int64s", {0, 1, 2}))),
            "TreeEnsembleClassifier: target or class 3 is not one of the 3");
}

TEST(OnnxReader, RefusesAThresholdThatIsNotANumber) {
  TreeText tree;
  tree.values[0] = NAN;
  EXPECT_EQ(refusalOf(aRegressor(tree)), "tree 0, node 0: the threshold is not a number");
}

TEST(OnnxReader, RefusesMoreOutputsThanTheFileCanMean) {
  EXPECT_EQ(refusalOf(aRegressor({}, "", std::int64_t{1} << 31)),
            "TreeEnsembleRegressor: 2147483648 outputs, allowed are 1 to 65536");
}

TEST(OnnxReader, RefusesTensorsWhoseDimensionsExceedTheFile) {
  const std::string graph = input("X", 2) + output("y") +
                            text(5, tensor("w", {std::int64_t{1} << 40, 1 << 22}, {1})) +
                            node("MatMul", {"X", "w"}, {"y"}, "", "");
  EXPECT_THAT(refusalOf(model(graph)), HasSubstr("tensor w: its dimensions exceed the file"));
}

TEST(OnnxReader, RefusesAValueNamedTwice) {
  const std::string twice = node("Identity", {"X"}, {"a"}, "", "");
  EXPECT_EQ(refusalOf(linearAfter(twice + twice, "a")), "Identity: value a is there twice");
}

TEST(OnnxReader, RefusesEveryTruncationOrReadsLess) {
  const std::string file = aRegressor();
  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_NE(refusalOf(file.substr(0, length)), "it was read") << length;
  }
}

}  // namespace
}  // namespace corbel::inference
