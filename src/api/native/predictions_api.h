// Predictions. See docs/predictions.md.
#pragma once
#include <tuple>

#include "exec/pool.h"
#include "http/route.h"
#include "models/prediction_cache.h"
#include "models/serving.h"
#include "native/predictions_dto.h"
#include "telemetry/metrics.h"

namespace corbel::native {

class PredictionsApi {
 public:
  // Everything must outlive it.
  struct Parts {
    models::Serving& serving;
    models::PredictionCache& cache;
    exec::Pool& pool;  // for models that are slow, not loaded, or to be explained
    metrics::Metrics& metrics;
    IdSource& ids;
    const Clock& clock;
  };
  explicit PredictionsApi(Parts parts);

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{http::post<&PredictionsApi::predict>(
        "/api/v1/ai/models/{model}/predict", Permission::modelsPredict, "Predict",
        {.limit = http::LimitClass::inference,
         .bodyMax = limits::kInferenceBody,
         .answer = &json::kType<PredictionView>})};
  }

 private:
  struct Work;
  void predict(http::Call call, PredictRequest request, http::Reply<http::Response> reply);
  void runOnPool(Work work);
  void runGuarded(Work work);
  void loadAndRun(Work work);
  void runAtOnce(Work work);
  void finish(Work work, Result<http::Response> response);
  Result<std::string> answer(const Work& work, std::chrono::nanoseconds& inference);
  Result<http::Response> respond(const Work& work);
  void countAnswer(const Work& work, std::chrono::nanoseconds inference);
  void count(const Work& work, std::string_view status);

  Parts parts_;
  metrics::Labelled<metrics::Counter, 3> predictions_;
  metrics::Labelled<metrics::Counter, 1> modelMisses_;
};

}  // namespace corbel::native
