#include "inference/importance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace corbel::inference {
namespace {

double neutralValue(const InputField& field) {
  if (field.kind == FieldKind::category) return 0;
  if (field.nullable || !field.required) return InputPlan::kMissing;
  if (!field.minimum || !field.maximum) return 0;
  const double middle = (*field.minimum + *field.maximum) / 2;
  return field.kind == FieldKind::number ? middle : std::floor(middle);
}

InputRow neutralRow(const InputPlan& plan) {
  InputRow row = plan.blankRow();
  std::ranges::transform(plan.fields(), row.numbers.begin(), neutralValue);
  return row;
}

void copyField(const InputRow& from, InputRow& to, std::size_t field) {
  to.numbers[field] = from.numbers[field];
  if (!from.texts.empty()) to.texts[field] = from.texts[field];
}

}  // namespace

Result<SampledImportance> sampleImportance(const InputPlan& plan, const InputRow& row, const EvaluateRows& evaluate,
                                           std::uint64_t seed) {
  const std::size_t fields = plan.fields().size();
  const InputRow neutral = neutralRow(plan);
  std::mt19937_64 random(seed);
  std::vector<std::size_t> order(fields);
  std::iota(order.begin(), order.end(), 0);

  std::vector<std::vector<std::size_t>> orders;
  std::vector<InputRow> steps;
  for (int sample = 0; sample < kSampledOrders; ++sample) {
    std::ranges::shuffle(order, random);
    orders.push_back(order);
    InputRow step = neutral;
    steps.push_back(step);
    for (const std::size_t field : order) {
      copyField(row, step, field);
      steps.push_back(step);
    }
  }
  CORBEL_TRY(const auto results, evaluate(steps));
  if (results.size() != steps.size()) return fail(ErrorCode::internal, "the model returned fewer rows than it got");

  SampledImportance importance{std::vector<double>(fields), results.front()};
  for (std::size_t sample = 0; sample < orders.size(); ++sample) {
    const std::size_t first = sample * (fields + 1);
    for (std::size_t i = 0; i < fields; ++i) {
      importance.contributions[orders[sample][i]] += (results[first + i + 1] - results[first + i]) / kSampledOrders;
    }
  }
  return importance;
}

}  // namespace corbel::inference
