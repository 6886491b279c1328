// Writes a prediction as JSON: the hottest answer of the native API, so by hand; PredictionView
// describes the same.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "models/predicting.h"
#include "models/serving.h"

namespace corbel::native {

enum class Confidence : bool { no, yes };

// What does not depend on the call: prediction, confidence, probabilities, importance, as members
// without braces. This is what the prediction cache keeps.
std::string resultMembers(const models::ServedModel& served, const models::PredictionResult& result,
                          Confidence confidence);

struct CallFacts {
  std::string_view predictionId;
  std::chrono::nanoseconds total{0};
  std::chrono::nanoseconds inference{0};
  bool cached = false;
  bool stale = false;  // the model failed; this is what it said some time ago
};

std::string predictionJson(std::string_view resultMembers, const models::ServedModel& served,
                           const CallFacts& facts);

}  // namespace corbel::native
