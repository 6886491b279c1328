#include "inference/transforms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace corbel::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class Number>
std::vector<Number> transformed(std::vector<Number> row, const std::vector<Transform>& steps) {
  applyTransforms(std::span<const Transform>(steps), std::span(row));
  return row;
}

TEST(Transforms, ScalerSubtractsThenMultipliesColumnByColumn) {
  EXPECT_THAT(transformed<float>({3, 10}, {{Scaler{{1, 2}, {2, 0.5}}}}), ElementsAre(4, 4));
}

TEST(Transforms, OneValueStandsForAllColumns) {
  EXPECT_THAT(transformed<float>({3, 10}, {{Scaler{{1}, {2}}}}), ElementsAre(4, 18));
}

TEST(Transforms, ArithmeticDoesWhatItsNameSays) {
  using enum Arithmetic::Operation;
  EXPECT_THAT(transformed<float>({6}, {{Arithmetic{add, {2}}}}), ElementsAre(8));
  EXPECT_THAT(transformed<float>({6}, {{Arithmetic{subtract, {2}}}}), ElementsAre(4));
  EXPECT_THAT(transformed<float>({6}, {{Arithmetic{multiply, {2}}}}), ElementsAre(12));
  EXPECT_THAT(transformed<float>({6}, {{Arithmetic{divide, {4}}}}), ElementsAre(1.5));
}

TEST(Transforms, NormalizerDividesByTheNorm) {
  using enum Normalizer::Norm;
  EXPECT_THAT(transformed<float>({3, -4}, {{Normalizer{l2}}}),
              ElementsAre(FloatNear(0.6F, 1e-7F), FloatNear(-0.8F, 1e-7F)));
  EXPECT_THAT(transformed<float>({3, -1}, {{Normalizer{l1}}}), ElementsAre(0.75, -0.25));
  EXPECT_THAT(transformed<float>({2, -8}, {{Normalizer{max}}}), ElementsAre(1, -4));
}

TEST(Transforms, NormalizerLeavesARowOfZeros) {
  for (const auto norm : {Normalizer::Norm::l1, Normalizer::Norm::l2, Normalizer::Norm::max}) {
    EXPECT_THAT(transformed<float>({0, 0}, {{Normalizer{norm}}}), ElementsAre(0, 0));
  }
}

TEST(Transforms, ImputerReplacesMissingValuesOnly) {
  EXPECT_THAT(transformed<double>({kNaN, 5}, {{Imputer{{1, 2}, kNaN}, Precision::float64}}),
              ElementsAre(1, 5));
  EXPECT_THAT(transformed<double>({-1, 5}, {{Imputer{{7}, -1}, Precision::float64}}),
              ElementsAre(7, 5));
}

TEST(Transforms, AreAppliedInOrder) {
  const std::vector<Transform> steps = {{Imputer{{2}, kNaN}}, {Scaler{{1}, {10}}}};
  EXPECT_THAT(transformed<float>({std::nanf("")}, steps), ElementsAre(10));
}

TEST(Transforms, RoundToTheirOwnPrecision) {
  const std::vector<Transform> inFloat = {
      {Arithmetic{Arithmetic::Operation::divide, {3}}, Precision::float32}};
  const std::vector<Transform> inDouble = {
      {Arithmetic{Arithmetic::Operation::divide, {3}}, Precision::float64}};
  EXPECT_EQ(transformed<double>({1}, inFloat)[0], static_cast<double>(1.0F / 3.0F));
  EXPECT_EQ(transformed<double>({1}, inDouble)[0], 1.0 / 3.0);
}

}  // namespace
}  // namespace corbel::inference
