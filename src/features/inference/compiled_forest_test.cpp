#include "inference/compiled_forest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "random_forest_for_tests.h"
#include "reference_evaluator.h"

namespace corbel::inference {
namespace {

using Kernel = CompiledForest::Kernel;

constexpr Kernel kKernels[] = {Kernel::best, Kernel::walk, Kernel::masks, Kernel::masksAvx2,
                               Kernel::slices};

template <class T>
auto bits(T value) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<std::uint32_t>(value);
  else
    return std::bit_cast<std::uint64_t>(value);
}

// Every kernel against the plain evaluation at many batch sizes; rows lie one number further apart
// than they are wide.
template <class T>
void expectEveryKernelEqual(ForestMaker& maker, const Forest& forest, std::size_t rowCount) {
  const std::size_t stride = forest.features + 1;
  const std::vector<T> dense = maker.rows<T>(forest, rowCount);
  std::vector<T> rows(rowCount * stride, T{7});
  std::vector<T> expected;
  for (std::size_t i = 0; i < rowCount; ++i) {
    std::copy_n(&dense[i * forest.features], forest.features, &rows[i * stride]);
    const auto sums =
        reference::margins<T>(forest, std::span(rows).subspan(i * stride, forest.features));
    expected.insert(expected.end(), sums.begin(), sums.end());
  }
  for (const Kernel kernel : kKernels) {
    const auto compiled = CompiledForest::compile(forest, kernel);
    ASSERT_TRUE(compiled) << compiled.error().message;
    const std::array<std::size_t, 5> counts{1, 2 + maker.below(10), 12 + maker.below(52),
                                            64 + maker.below(66), rowCount};
    for (const std::size_t count : counts) {
      const std::size_t first = maker.below(rowCount - count + 1);
      std::vector<T> out(count * forest.outputs + 1, T{42});
      compiled->margins(&rows[first * stride], count, stride, out.data());
      for (std::size_t i = 0; i < count * forest.outputs; ++i) {
        ASSERT_EQ(bits(out[i]), bits(expected[first * forest.outputs + i]))
            << "kernel " << static_cast<int>(kernel) << ", " << count << " rows, value " << i;
      }
      ASSERT_EQ(out.back(), T{42}) << "wrote beyond the outputs";
    }
  }
}

void expectEveryKernelEqual(std::uint64_t seed, ForestShape shape, std::size_t rowCount = 200) {
  ForestMaker maker(seed);
  for (const Precision precision : {Precision::float32, Precision::float64}) {
    shape.precision = precision;
    SCOPED_TRACE(testing::Message()
                 << "seed " << seed << ", precision " << static_cast<int>(precision));
    const Forest forest = maker.forest(shape);
    if (precision == Precision::float32)
      expectEveryKernelEqual<float>(maker, forest, rowCount);
    else
      expectEveryKernelEqual<double>(maker, forest, rowCount);
  }
}

TEST(CompiledForest, EqualsThePlainEvaluationForXgboostsSplits) {
  expectEveryKernelEqual(1, {.trees = 100, .depth = 6, .fullness = 1, .features = 30});
  expectEveryKernelEqual(
      2, {.trees = 33, .depth = 6, .fullness = 0.8, .features = 5, .thresholds = 400});
  expectEveryKernelEqual(3, {.trees = 20, .depth = 8, .fullness = 1, .features = 30});
}

TEST(CompiledForest, EqualsThePlainEvaluationForEverySplitKind) {
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    expectEveryKernelEqual(
        seed, {.trees = 30, .depth = static_cast<int>(seed % 10), .everySplitKind = true});
  }
}

// A split by a category set of its own needs a column of its own.
Forest aForestOfCategories(ForestMaker& maker, Precision precision) {
  Forest forest = maker.forest({.precision = precision,
                                .trees = 12,
                                .depth = 9,
                                .fullness = 1,
                                .features = 5,
                                .outputs = 2,
                                .nodesMax = 1100});
  for (Tree& tree : forest.trees) {
    for (Node& node : tree.nodes) {
      if (node.isLeaf()) continue;
      node.split = Split::category;
      node.value = static_cast<std::uint32_t>(forest.categories.size());
      forest.categories.push_back({static_cast<std::uint32_t>(maker.below(1U << 31)), node.value});
    }
  }
  return forest;
}

TEST(CompiledForest, EqualsThePlainEvaluationForManyCategorySets) {
  ForestMaker maker(30);
  expectEveryKernelEqual<float>(maker, aForestOfCategories(maker, Precision::float32), 200);
  expectEveryKernelEqual<double>(maker, aForestOfCategories(maker, Precision::float64), 200);
}

TEST(CompiledForest, AsksARowOnlyForTheCategoriesOnItsWay) {
  ForestMaker maker(31);
  const Forest forest = aForestOfCategories(maker, Precision::float32);
  ASSERT_GT(forest.categories.size(), 5000U);
  const auto compiled = CompiledForest::compile(forest);
  ASSERT_TRUE(compiled);
  EXPECT_LT(compiled->stepsOfARow(), 200U);
}

TEST(CompiledForest, EqualsThePlainEvaluationForEveryDepth) {
  for (int depth = 0; depth <= 30; ++depth) {
    expectEveryKernelEqual(100 + depth,
                           {.trees = 9, .depth = depth, .fullness = 0.85, .nodesMax = 300});
  }
}

TEST(CompiledForest, EqualsThePlainEvaluationForFewAndManyFeatures) {
  for (const std::uint32_t features : {1U, 2U, 31U, 33U, 64U, 65U, 127U, 200U}) {
    expectEveryKernelEqual(200 + features, {.trees = 40, .depth = 7, .features = features});
  }
}

TEST(CompiledForest, EqualsThePlainEvaluationForSeveralOutputs) {
  for (const bool vectorLeaves : {false, true}) {
    for (const bool average : {false, true}) {
      expectEveryKernelEqual(300, {.outputs = 3, .vectorLeaves = vectorLeaves, .average = average});
      expectEveryKernelEqual(
          301, {.depth = 9, .outputs = 17, .vectorLeaves = vectorLeaves, .average = average});
    }
  }
}

TEST(CompiledForest, EqualsThePlainEvaluationForMoreRowsThanABlock) {
  expectEveryKernelEqual(350, {.trees = 5, .outputs = 2}, 1100);
}

TEST(CompiledForest, EqualsThePlainEvaluationWithoutTrees) {
  expectEveryKernelEqual(400, {.trees = 0});
}

Forest aStump(Link link, std::vector<double> margins) {
  Forest forest;
  forest.features = 1;
  forest.outputs = static_cast<std::uint32_t>(margins.size());
  forest.link = link;
  forest.baseScores = std::move(margins);
  return forest;
}

std::vector<float> predictOne(const Forest& forest) {
  const float row = 0;
  std::vector<float> out(forest.outputs);
  CompiledForest::compile(forest)->predict(&row, 1, 1, out.data());
  return out;
}

TEST(CompiledForest, AppliesTheLink) {
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::identity, {0.3}))[0], 0.3F);
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::sigmoid, {0.3}))[0], 0.57444252F);
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::sigmoid, {-1000}))[0], 0.0F);
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::exponential, {0.3}))[0], 1.3498588F);
  EXPECT_EQ(predictOne(aStump(Link::hinge, {0.3}))[0], 1.0F);
  EXPECT_EQ(predictOne(aStump(Link::hinge, {0.0}))[0], 0.0F);
  EXPECT_NEAR(predictOne(aStump(Link::probit, {0.975}))[0], 1.96F, 0.01F);
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::signedSquare, {-3}))[0], -9.0F);
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::softplus, {0}))[0], 0.69314718F);
  EXPECT_FLOAT_EQ(predictOne(aStump(Link::softmax, {1, 2}))[1], 0.73105858F);
  EXPECT_EQ(predictOne(aStump(Link::softmaxZero, {0, 2}))[0], 0.0F);
}

TEST(CompiledForest, ScalesTheSigmoid) {
  Forest forest = aStump(Link::sigmoid, {0.3});
  forest.linkScale = 2;
  EXPECT_FLOAT_EQ(predictOne(forest)[0], 0.64565631F);
}

TEST(CompiledForest, RefusesWhatValidationRefuses) {
  Forest forest = aStump(Link::identity, {0});
  forest.trees.emplace_back();
  const auto compiled = CompiledForest::compile(forest);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().message, validate(forest).error().message);
}

}  // namespace
}  // namespace corbel::inference
