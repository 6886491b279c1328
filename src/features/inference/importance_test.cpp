#include "inference/importance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace corbel::inference {
namespace {

InputPlan planOf(std::vector<InputField> fields) {
  Signature signature;
  signature.inputs = {{"input", DataType::float32, {-1, static_cast<std::int64_t>(fields.size())}}};
  return *InputPlan::make(signature, {std::move(fields), {}});
}

InputField aField(std::string name) {
  InputField field;
  field.name = std::move(name);
  return field;
}

// x0 * x1 + 2 * x2
Result<std::vector<double>> product(std::span<const InputRow> rows) {
  std::vector<double> results;
  for (const InputRow& row : rows)
    results.push_back(row.numbers[0] * row.numbers[1] + 2 * row.numbers[2]);
  return results;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(SampleImportance, AddsUpToTheDifferenceFromTheNeutralRow) {
  const InputPlan plan = planOf({aField("a"), aField("b"), aField("c")});
  const InputRow row{{3, 4, 5}, {}};
  const auto importance = sampleImportance(plan, row, product, 7);
  ASSERT_TRUE(importance);
  EXPECT_EQ(importance->base, 0);
  EXPECT_NEAR(sum(importance->contributions), 3 * 4 + 2 * 5, 1e-12);
}

TEST(SampleImportance, GivesAnAdditiveFieldItsExactShare) {
  const InputPlan plan = planOf({aField("a"), aField("b"), aField("c")});
  const auto importance = sampleImportance(plan, {{3, 4, 5}, {}}, product, 7);
  ASSERT_TRUE(importance);
  EXPECT_NEAR(importance->contributions[2], 10, 1e-12);
}

TEST(SampleImportance, RepeatsItselfForTheSameSeed) {
  const InputPlan plan = planOf({aField("a"), aField("b"), aField("c")});
  const InputRow row{{3, 4, 5}, {}};
  EXPECT_EQ(sampleImportance(plan, row, product, 7)->contributions,
            sampleImportance(plan, row, product, 7)->contributions);
}

TEST(SampleImportance, StartsFromTheMiddleOfARangeAndFromMissingValues) {
  InputField ranged = aField("a");
  ranged.minimum = 10;
  ranged.maximum = 20;
  InputField optional = aField("b");
  optional.required = false;
  const InputPlan plan = planOf({ranged, optional});
  InputRow neutral;
  const auto remember = [&](std::span<const InputRow> rows) -> Result<std::vector<double>> {
    if (neutral.numbers.empty()) neutral = rows.front();
    return std::vector<double>(rows.size());
  };
  ASSERT_TRUE(sampleImportance(plan, {{1, 2}, {}}, remember, 7));
  EXPECT_EQ(neutral.numbers[0], 15);
  EXPECT_TRUE(std::isnan(neutral.numbers[1]));
}

TEST(SampleImportance, AsksForAWideModelInPortions) {
  std::vector<InputField> fields;
  for (int i = 0; i < 1000; ++i) fields.push_back(aField("f" + std::to_string(i)));
  const InputPlan plan = planOf(fields);
  InputRow row = plan.blankRow();
  std::ranges::fill(row.numbers, 1);
  std::size_t most = 0, all = 0;
  const auto total = [&](std::span<const InputRow> rows) -> Result<std::vector<double>> {
    most = std::max(most, rows.size());
    all += rows.size();
    std::vector<double> results;
    for (const InputRow& one : rows) results.push_back(sum(one.numbers));
    return results;
  };
  const auto importance = sampleImportance(plan, row, total, 7);
  ASSERT_TRUE(importance);
  EXPECT_EQ(all, std::size_t{kSampledOrders} * 1001);
  EXPECT_LT(most, 2000U);
  EXPECT_NEAR(sum(importance->contributions), 1000, 1e-6);
}

TEST(SampleImportance, PassesOnWhatTheModelFailedWith) {
  const InputPlan plan = planOf({aField("a")});
  const auto late = [](std::span<const InputRow>) -> Result<std::vector<double>> {
    return fail(ErrorCode::deadlineExceeded, "late");
  };
  EXPECT_EQ(sampleImportance(plan, {{1}, {}}, late, 7).error().code, ErrorCode::deadlineExceeded);
  const auto short_ = [](std::span<const InputRow>) -> Result<std::vector<double>> {
    return std::vector<double>(1);
  };
  EXPECT_EQ(sampleImportance(plan, {{1}, {}}, short_, 7).error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace corbel::inference
