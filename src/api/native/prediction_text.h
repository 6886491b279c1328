// Writes a prediction as JSON: the hottest answer of the native API, so by hand; PredictionView
// describes the same.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "models/predicting.h"
#include "models/serving.h"
#include "native/predictions_dto.h"

namespace corbel::native {

enum class Confidence : bool { no, yes };

// What does not depend on the call: prediction, confidence, probabilities, importance, as members
// without braces. This is what the prediction cache keeps.
std::string resultMembers(const models::ServedModel& served, const models::PredictionResult& result,
                          Confidence confidence);

// The model that was asked for.
struct Asked {
  std::string_view modelId;
  std::string_view modelName;
  int version = 0;
};

// Something else answered.
struct Degraded {
  std::string_view why;  // the model did not
  FallbackKind kind = FallbackKind::cache;
  std::string_view model = {};  // that did instead; empty: none
};
std::string_view name(FallbackKind kind);

struct CallFacts {
  std::string_view predictionId;
  std::chrono::nanoseconds total{0};
  std::chrono::nanoseconds inference{0};
  bool cached = false;
  std::optional<Degraded> degraded = {};
};

std::string predictionJson(std::string_view resultMembers, const Asked& asked,
                           const CallFacts& facts);

}  // namespace corbel::native
