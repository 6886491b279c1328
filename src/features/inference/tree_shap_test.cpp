#include "inference/tree_shap.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <span>
#include <vector>

#include "random_forest_for_tests.h"
#include "reference_evaluator.h"

namespace corbel::inference {
namespace {

// What a tree is expected to say when only the features in `known` are: the definition of the game
// that is played.
template <class T>
double expectation(const Forest& forest, const Tree& tree, std::size_t index,
                   std::span<const T> row, unsigned known, std::size_t value) {
  const Node& node = tree.nodes[index];
  if (node.isLeaf()) {
    return static_cast<double>(static_cast<T>(forest.leafValues[node.value + value]) *
                               static_cast<T>(tree.weight));
  }
  const auto left = static_cast<std::size_t>(node.left);
  const auto right = static_cast<std::size_t>(node.right);
  if ((known >> node.feature & 1) != 0) {
    const bool goesLeft =
        reference::goesLeft(forest, node, row[static_cast<std::size_t>(node.feature)]);
    return expectation(forest, tree, goesLeft ? left : right, row, known, value);
  }
  const double all = static_cast<double>(node.cover);
  return expectation(forest, tree, left, row, known, value) *
             static_cast<double>(tree.nodes[left].cover) / all +
         expectation(forest, tree, right, row, known, value) *
             static_cast<double>(tree.nodes[right].cover) / all;
}

template <class T>
std::vector<double> expectedMargins(const Forest& forest, std::span<const T> row, unsigned known) {
  std::vector<double> sums(forest.outputs, 0.0);
  std::vector<double> counts(forest.outputs, 0.0);
  for (const Tree& tree : forest.trees) {
    for (std::size_t i = 0; i < (forest.vectorLeaves ? forest.outputs : 1); ++i) {
      sums[tree.output + i] += expectation(forest, tree, 0, row, known, i);
      counts[tree.output + i] += 1;
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (forest.average) sums[i] /= std::max(counts[i], 1.0);
    sums[i] += forest.baseScores[i];
  }
  return sums;
}

double factorial(int n) { return std::tgamma(n + 1.0); }

// Shapley's sum over all subsets of features.
template <class T>
std::vector<double> bruteForce(const Forest& forest, std::span<const T> row) {
  const auto features = static_cast<int>(forest.features);
  const unsigned subsets = 1U << features;
  std::vector<std::vector<double>> margins;
  for (unsigned known = 0; known < subsets; ++known)
    margins.push_back(expectedMargins(forest, row, known));
  std::vector<double> contributions;
  for (std::size_t output = 0; output < forest.outputs; ++output) {
    for (int feature = 0; feature < features; ++feature) {
      double sum = 0;
      for (unsigned known = 0; known < subsets; ++known) {
        if ((known >> feature & 1) != 0) continue;
        const int size = std::popcount(known);
        const double weight =
            factorial(size) * factorial(features - size - 1) / factorial(features);
        sum += weight * (margins[known | 1U << feature][output] - margins[known][output]);
      }
      contributions.push_back(sum);
    }
    contributions.push_back(margins[0][output]);
  }
  return contributions;
}

// Of all outputs, one after the other.
template <class T>
std::vector<double> told(const TreeShap& shap, const T* row) {
  const SystemClock clock;
  std::vector<double> all;
  for (std::size_t output = 0; output < shap.outputs(); ++output) {
    const auto one = shap.explain(row, output, TimeLimit(Deadline::never(), clock));
    EXPECT_TRUE(one);
    if (one) all.insert(all.end(), one->begin(), one->end());
  }
  return all;
}

template <class T>
void expectShapley(std::uint64_t seed, ForestShape shape) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  shape.precision = sizeof(T) == 4 ? Precision::float32 : Precision::float64;
  ForestMaker maker(seed);
  const Forest forest = maker.forest(shape);
  const auto shap = TreeShap::prepare(forest);
  ASSERT_TRUE(shap) << shap.error().message;
  const std::vector<T> rows = maker.rows<T>(forest, 8);
  for (std::size_t i = 0; i < 8; ++i) {
    const std::span<const T> row(&rows[i * forest.features], forest.features);
    const std::vector<double> expected = bruteForce(forest, row);
    const std::vector<double> contributions = told(*shap, row.data());
    ASSERT_EQ(contributions.size(), expected.size());
    for (std::size_t j = 0; j < contributions.size(); ++j)
      EXPECT_NEAR(contributions[j], expected[j], 1e-9) << "contribution " << j;
  }
}

TEST(TreeShap, EqualsShapleysDefinition) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const int depth = static_cast<int>(seed % 7);
    expectShapley<float>(
        seed, {.trees = 5, .depth = depth, .features = 5, .everySplitKind = seed % 2 == 0});
    expectShapley<double>(
        seed, {.trees = 5, .depth = depth, .features = 5, .everySplitKind = seed % 2 == 0});
  }
}

TEST(TreeShap, EqualsShapleysDefinitionForSeveralOutputs) {
  for (const bool vectorLeaves : {false, true}) {
    for (const bool average : {false, true}) {
      expectShapley<float>(30, {.trees = 7,
                                .depth = 4,
                                .features = 4,
                                .outputs = 3,
                                .vectorLeaves = vectorLeaves,
                                .average = average});
    }
  }
}

TEST(TreeShap, AddsUpToTheMarginInDeepTrees) {
  ForestMaker maker(40);
  const Forest forest = maker.forest({.trees = 10, .depth = 40, .features = 100, .nodesMax = 1000});
  const auto shap = TreeShap::prepare(forest);
  ASSERT_TRUE(shap);
  const std::vector<float> rows = maker.rows<float>(forest, 5);
  for (std::size_t i = 0; i < 5; ++i) {
    const std::span<const float> row(&rows[i * forest.features], forest.features);
    double sum = 0;
    for (const double contribution : told(*shap, row.data())) sum += contribution;
    EXPECT_NEAR(sum, static_cast<double>(reference::margins<float>(forest, row)[0]), 1e-5);
  }
}

Forest aStump(float cover) {
  Forest forest;
  forest.features = 1;
  forest.baseScores = {0};
  forest.leafValues = {1, 3};
  Tree tree;
  tree.nodes.resize(3);
  tree.nodes[0].left = 1;
  tree.nodes[0].right = 2;
  tree.nodes[0].cover = cover;
  tree.nodes[2].cover = cover;
  tree.nodes[2].value = 1;
  forest.trees.push_back(tree);
  return forest;
}

TEST(TreeShap, TakesALeafThatNoTrainingRowReached) {
  const float row = -1;
  EXPECT_EQ(told(*TreeShap::prepare(aStump(10)), &row), (std::vector<double>{-2, 3}));
}

TEST(TreeShap, StopsWhenTheTimeIsOver) {
  ManualClock clock;
  const TimeLimit over(Deadline::at(clock.steady()), clock);
  const float row = -1;
  const auto stopped = TreeShap::prepare(aStump(10))->explain(&row, 0, over);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::deadlineExceeded);
}

// Were it asked once a tree only, one large tree could take for ever.
TEST(TreeShap, AsksForTheTimeManyTimesInALargeTree) {
  ForestMaker maker(41);
  const Forest forest =
      maker.forest({.trees = 1, .depth = 12, .fullness = 1, .features = 20, .nodesMax = 4000});
  const auto shap = TreeShap::prepare(forest);
  ASSERT_TRUE(shap);
  class CountingClock final : public Clock {
   public:
    SteadyTime steady() const override { return SteadyTime(std::chrono::seconds(++looks)); }
    Timestamp now() const override { return {}; }
    mutable int looks = 0;
  } clock;
  const std::vector<float> rows = maker.rows<float>(forest, 1);
  const TimeLimit third(Deadline::at(SteadyTime(std::chrono::seconds(3))), clock);
  EXPECT_FALSE(shap->explain(rows.data(), 0, third));
  EXPECT_EQ(clock.looks, 3);
}

TEST(TreeShap, SaysThatTrainingWeightsAreUnknown) {
  const auto shap = TreeShap::prepare(aStump(0));
  ASSERT_FALSE(shap);
  EXPECT_EQ(shap.error().code, ErrorCode::unprocessable);
  EXPECT_EQ(
      shap.error().message,
      "tree 0: the training weight of its nodes is unknown, so exact contributions cannot be told");
}

}  // namespace
}  // namespace corbel::inference
