#include "onnx_safety.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "inference/model_readers.h"
#include "onnx_writer.h"

namespace corbel::inference {
namespace {

using namespace onnx_writer;
using ::testing::HasSubstr;

std::string trees(std::int64_t feature) {
  return node("TreeEnsembleRegressor", {"X"}, {"y"},
              integers("nodes_featureids", {0, feature}) + integers("target_ids", {0, 0}));
}

// Nothing here is tabular, so all of it is for ONNX Runtime.
std::string behindSine(const std::string& nodes) {
  return model(node("Sin", {"X"}, {"s"}, "", "") + nodes + input("X", 3) + output("y"));
}

std::string inBranches(std::string graph, int depth) {
  for (int i = 0; i < depth; ++i)
    graph = node("If", {"c"}, {"y"}, onnx_writer::graph("then_branch", graph), "");
  return graph;
}

std::string refusalOf(const std::string& file) {
  const auto reading = readOnnx(std::as_bytes(std::span(file)));
  return reading ? "not refused" : reading.error().message;
}

constexpr std::string_view kNegative =
    "TreeEnsembleRegressor: nodes_featureids holds -5; indexes are not negative";

TEST(OnnxSafety, RefusesTreesThatReadBeforeTheirInput) {
  EXPECT_EQ(refusalOf(behindSine(trees(-5))), kNegative);
  EXPECT_EQ(refusalOf(behindSine(trees(5))), "not refused");
}

TEST(OnnxSafety, LooksIntoBranchesAndFunctions) {
  EXPECT_EQ(refusalOf(behindSine(inBranches(trees(-5), 3))), kNegative);
  std::string inFunction = trees(-5);
  inFunction[0] = 7 << 3 | 2;  // FunctionProto.node
  EXPECT_EQ(refusalOf(behindSine("") + text(25, inFunction)), kNegative);
}

TEST(OnnxSafety, BoundsTheNestingOfGraphs) {
  EXPECT_EQ(refusalOf(behindSine(inBranches("", 16))), "not refused");
  EXPECT_THAT(refusalOf(behindSine(inBranches("", 17))), HasSubstr("more than 16 deep"));
}

TEST(OnnxSafety, LetsClassLabelsBeNegative) {
  const std::string labels =
      node("TreeEnsembleClassifier", {"X"}, {"l", "y"}, integers("classlabels_int64s", {-1, 1}));
  EXPECT_EQ(refusalOf(behindSine(labels)), "not refused");
}

}  // namespace
}  // namespace corbel::inference
