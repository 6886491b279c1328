// One prediction of a served model: run, read the result, explain it.
#pragma once
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "inference/image.h"
#include "inference/input_plan.h"
#include "inference/prediction.h"
#include "models/serving.h"

namespace corbel::models {

// What is predicted from, in the form that the model's plan asks for.
using PredictionInput = std::variant<inference::InputRow, inference::Image, inference::Tensors>;

enum class Importance : bool { no, yes };

// How much each field moved the result, in the order of plan.fields().
struct FeatureImportance {
  std::string_view method;  // "treeshap", "linear" (exact) or "sampling"
  std::string_view
      space;  // "margin": contributions add up before the link; "probability" or "value"
  double base = 0;
  std::vector<double> contributions;
  std::optional<std::size_t> classIndex;  // of a classifier: the class that the numbers speak for
};

struct PredictionResult {
  inference::Prediction prediction;
  std::optional<FeatureImportance> importance;
  std::chrono::nanoseconds inference{0};  // time the model took, importance not counted
};

// Thread-safe. Errors of Model::run; unprocessable: importance was asked for, and the input has no
// named fields.
Result<PredictionResult> predict(const ServedModel& served, const PredictionInput& input,
                                 Importance importance, Deadline deadline, const Clock& clock);

}  // namespace corbel::models
