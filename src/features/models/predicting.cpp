#include "models/predicting.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/trace.h"
#include "inference/importance.h"

namespace corbel::models {
namespace {

using inference::InputRow;
using inference::ModelTask;

// Any fixed number: the same input must be explained the same way twice.
constexpr std::uint64_t kSamplingSeed = 20260101;

inference::Tensors tensorsOf(const inference::InputPlan& plan, const PredictionInput& input) {
  if (const auto* row = std::get_if<InputRow>(&input)) return plan.tensorsOf(std::span(row, 1));
  if (const auto* image = std::get_if<inference::Image>(&input)) return plan.tensorsOf(*image);
  return std::get<inference::Tensors>(input);
}

bool isClassifier(const ServedModel& served) {
  return served.engine->signature().task == ModelTask::classification;
}

// The number whose change is attributed when a model is only sampled.
double numberOf(const inference::Prediction& prediction, std::optional<std::size_t> classIndex) {
  if (classIndex && *classIndex < prediction.probabilities.size())
    return prediction.probabilities[*classIndex];
  return prediction.values.empty() ? 0 : prediction.values.front();
}

// Some graphs were exported for one row.
bool takesManyRows(const ServedModel& served) {
  return std::ranges::all_of(served.engine->signature().inputs, [](const auto& input) {
    return !input.shape.empty() && input.shape[0] < 0;
  });
}

Result<FeatureImportance> sampled(const ServedModel& served, const InputRow& row,
                                  const inference::Prediction& prediction, Deadline deadline,
                                  const Clock& clock) {
  const auto evaluate = [&](std::span<const InputRow> rows) -> Result<std::vector<double>> {
    std::vector<double> numbers;
    const std::size_t together = takesManyRows(served) ? rows.size() : 1;
    for (std::size_t first = 0; first < rows.size(); first += together) {
      if (deadline.expired(clock)) {
        return fail(ErrorCode::deadlineExceeded,
                    "Explaining the prediction took longer than allowed.");
      }
      const auto part = rows.subspan(first, together);
      CORBEL_TRY(const auto outputs, served.engine->run(served.plan.tensorsOf(part), deadline));
      for (std::size_t r = 0; r < part.size(); ++r) {
        CORBEL_TRY(const auto one, predictionOf(served.engine->signature(), outputs, r));
        numbers.push_back(numberOf(one, prediction.classIndex));
      }
    }
    return numbers;
  };
  CORBEL_TRY(auto found, inference::sampleImportance(served.plan, row, evaluate, kSamplingSeed));
  const bool isProbability =
      prediction.classIndex && *prediction.classIndex < prediction.probabilities.size();
  return FeatureImportance{"sampling", isProbability ? "probability" : "value", found.base,
                           std::move(found.contributions),
                           isProbability ? prediction.classIndex : std::nullopt};
}

Result<FeatureImportance> importanceOf(const ServedModel& served, const PredictionInput& input,
                                       const inference::Tensors& tensors,
                                       const inference::Prediction& prediction, Deadline deadline,
                                       const Clock& clock) {
  const auto* row = std::get_if<InputRow>(&input);
  if (row == nullptr) {
    return failField("/options/includeFeatureImportance", "needs a model with named features",
                     ErrorCode::unprocessable);
  }
  const std::size_t output = prediction.classIndex.value_or(0);
  auto exact = served.engine->explain(tensors, output, deadline);
  if (!exact && exact.error().code == ErrorCode::unprocessable)
    return sampled(served, *row, prediction, deadline, clock);
  if (!exact) return std::unexpected(std::move(exact).error());
  return FeatureImportance{exact->method, "margin", exact->base, std::move(exact->contributions),
                           isClassifier(served) ? std::optional(output) : std::nullopt};
}

Result<inference::Tensors> run(const ServedModel& served, const inference::Tensors& tensors,
                               Deadline deadline) {
  trace::Span span("inference", served.modelName);
  auto outputs = served.engine->run(tensors, deadline);
  if (!outputs) span.fail(outputs.error().message);
  return outputs;
}

}  // namespace

Result<PredictionResult> predict(const ServedModel& served, const PredictionInput& input,
                                 Importance importance, Deadline deadline, const Clock& clock) {
  const auto tensors = tensorsOf(served.plan, input);
  const auto begin = clock.steady();
  CORBEL_TRY(const auto outputs, run(served, tensors, deadline));
  PredictionResult result;
  result.inference = clock.steady() - begin;
  CORBEL_TRY(result.prediction, predictionOf(served.engine->signature(), outputs, 0));
  if (importance == Importance::yes) {
    CORBEL_TRY(result.importance,
               importanceOf(served, input, tensors, result.prediction, deadline, clock));
  }
  return result;
}

}  // namespace corbel::models
