#include "inference/forest.h"

#include <gtest/gtest.h>

#include <cmath>

namespace corbel::inference {
namespace {

Node split(std::int32_t left, std::int32_t right) {
  Node node;
  node.left = left;
  node.right = right;
  return node;
}

Forest aForest() {
  Forest forest;
  forest.features = 2;
  forest.baseScores = {0};
  forest.leafValues = {1, 2, 3};
  Tree tree;
  tree.nodes = {split(1, 2), Node(), split(3, 4), Node(), Node()};
  forest.trees = {tree};
  return forest;
}

std::string errorOf(const Forest& forest) {
  const auto result = validate(forest);
  return result ? "valid" : result.error().message;
}

TEST(ForestValidation, AcceptsATree) { EXPECT_EQ(errorOf(aForest()), "valid"); }

TEST(ForestValidation, RefusesChildrenOutsideTheTree) {
  Forest forest = aForest();
  forest.trees[0].nodes[2].right = 5;
  EXPECT_EQ(errorOf(forest), "tree 0, node 2: right child 5 is outside the tree (5 nodes)");
  forest.trees[0].nodes[2].right = -7;
  EXPECT_EQ(errorOf(forest), "tree 0, node 2: right child -7 is outside the tree (5 nodes)");
}

TEST(ForestValidation, RefusesCyclesAndSharedNodes) {
  Forest forest = aForest();
  forest.trees[0].nodes[2].right = 0;
  EXPECT_EQ(errorOf(forest),
            "tree 0, node 2: right child 0 has another parent or is its own ancestor");
  forest.trees[0].nodes[2].right = 1;
  EXPECT_EQ(errorOf(forest),
            "tree 0, node 2: right child 1 has another parent or is its own ancestor");
}

TEST(ForestValidation, RefusesNodesThatCannotBeReached) {
  Forest forest = aForest();
  forest.trees[0].nodes.emplace_back();
  EXPECT_EQ(errorOf(forest), "tree 0: only 5 of 6 nodes can be reached from the root");
  forest.trees[0].nodes.clear();
  EXPECT_EQ(errorOf(forest), "tree 0: has no nodes");
}

TEST(ForestValidation, BoundsTheDepth) {
  Forest forest = aForest();
  std::vector<Node>& nodes = forest.trees[0].nodes;
  nodes = {Node()};
  const auto deepen = [&] {  // the last leaf becomes a split
    const auto size = static_cast<std::int32_t>(nodes.size());
    nodes.back() = split(size, size + 1);
    nodes.resize(nodes.size() + 2);
  };
  for (int depth = 0; depth < kMaxTreeDepth; ++depth) deepen();
  EXPECT_EQ(errorOf(forest), "valid");
  deepen();
  EXPECT_EQ(errorOf(forest), "tree 0: is deeper than 256 splits");
}

TEST(ForestValidation, RefusesFeaturesOutsideTheModel) {
  Forest forest = aForest();
  forest.trees[0].nodes[0].feature = 2;
  EXPECT_EQ(errorOf(forest), "tree 0, node 0: feature 2 is not one of the 2 features");
  forest.trees[0].nodes[0].feature = -1;
  EXPECT_EQ(errorOf(forest), "tree 0, node 0: feature -1 is not one of the 2 features");
}

TEST(ForestValidation, RefusesValuesOutsideTheirTables) {
  Forest forest = aForest();
  forest.trees[0].nodes[1].value = 3;
  EXPECT_EQ(errorOf(forest), "tree 0, node 1: leaf value 3 is outside the 3 leaf values");
  forest = aForest();
  forest.trees[0].nodes[0].split = Split::category;
  EXPECT_EQ(errorOf(forest), "tree 0, node 0: category set 0 is not one of the 0 sets");
}

TEST(ForestValidation, NeedsAWholeVectorBehindAVectorLeaf) {
  Forest forest = aForest();
  forest.vectorLeaves = true;
  forest.outputs = 2;
  forest.baseScores = {0, 0};
  EXPECT_EQ(errorOf(forest), "valid");
  forest.trees[0].nodes[1].value = 2;
  EXPECT_EQ(errorOf(forest), "tree 0, node 1: leaf value 2 is outside the 3 leaf values");
}

TEST(ForestValidation, RefusesThresholdsThatCannotBeCompared) {
  Forest forest = aForest();
  forest.trees[0].nodes[0].threshold = NAN;
  EXPECT_EQ(errorOf(forest), "tree 0, node 0: the threshold is not a number");
  forest.trees[0].nodes[0].threshold = 0.1;
  EXPECT_EQ(errorOf(forest), "tree 0, node 0: threshold 0.1 does not fit a float");
  forest.precision = Precision::float64;
  EXPECT_EQ(errorOf(forest), "valid");
}

TEST(ForestValidation, RefusesOutputsThatDoNotFit) {
  Forest forest = aForest();
  forest.trees[0].output = 1;
  EXPECT_EQ(errorOf(forest), "tree 0: output 1 is not one of the 1 outputs");
  forest.outputs = 2;
  EXPECT_EQ(errorOf(forest), "the model has 1 base scores for 2 outputs");
  forest.outputs = 0;
  EXPECT_EQ(errorOf(forest), "the model has 0 outputs, allowed are 1 to 65536");
  forest = aForest();
  forest.features = kMaxFeatures + 1;
  EXPECT_EQ(errorOf(forest), "the model has 16777217 features, allowed are up to 16777216");
}

}  // namespace
}  // namespace corbel::inference
