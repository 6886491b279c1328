#include "inference/importance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "base/limits.h"

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

// Rows are evaluated in portions: all orders of a wide model at once would take gigabytes.
class Evaluation {
 public:
  Evaluation(const EvaluateRows& evaluate, std::size_t fields)
      : evaluate_(evaluate), rowBytes_(sizeof(InputRow) + fields * sizeof(double)) {}

  Result<void> add(const InputRow& row) {
    rows_.push_back(row);
    bytes_ += rowBytes_;
    for (const std::string& text : row.texts) bytes_ += sizeof text + text.size();
    return bytes_ < kPortionBytes ? Result<void>() : run();
  }
  Result<std::vector<double>> finish() && {
    CORBEL_CHECK(run());
    return std::move(results_);
  }

 private:
  static constexpr std::size_t kPortionBytes = 8 * limits::kMiB;

  Result<void> run() {
    if (rows_.empty()) return {};
    CORBEL_TRY(const auto numbers, evaluate_(rows_));
    if (numbers.size() != rows_.size())
      return fail(ErrorCode::internal, "the model returned fewer rows than it got");
    results_.insert(results_.end(), numbers.begin(), numbers.end());
    rows_.clear();
    bytes_ = 0;
    return {};
  }

  const EvaluateRows& evaluate_;
  const std::size_t rowBytes_;
  std::vector<InputRow> rows_;
  std::size_t bytes_ = 0;
  std::vector<double> results_;
};

}  // namespace

Result<SampledImportance> sampleImportance(const InputPlan& plan, const InputRow& row,
                                           const EvaluateRows& evaluate, std::uint64_t seed) {
  const std::size_t fields = plan.fields().size();
  const InputRow neutral = neutralRow(plan);
  std::mt19937_64 random(seed);
  std::vector<std::size_t> order(fields);
  std::iota(order.begin(), order.end(), 0);

  std::vector<std::vector<std::size_t>> orders;
  Evaluation evaluation(evaluate, fields);
  for (int sample = 0; sample < kSampledOrders; ++sample) {
    std::ranges::shuffle(order, random);
    orders.push_back(order);
    InputRow step = neutral;
    CORBEL_CHECK(evaluation.add(step));
    for (const std::size_t field : order) {
      copyField(row, step, field);
      CORBEL_CHECK(evaluation.add(step));
    }
  }
  CORBEL_TRY(const auto results, std::move(evaluation).finish());

  SampledImportance importance{std::vector<double>(fields), results.front()};
  for (std::size_t sample = 0; sample < orders.size(); ++sample) {
    const std::size_t first = sample * (fields + 1);
    for (std::size_t i = 0; i < fields; ++i) {
      importance.contributions[orders[sample][i]] +=
          (results[first + i + 1] - results[first + i]) / kSampledOrders;
    }
  }
  return importance;
}

}  // namespace corbel::inference
