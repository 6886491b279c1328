// Predictions. See docs/predictions.md.
#pragma once
#include <memory>
#include <tuple>

#include "cache/cache.h"
#include "exec/pool.h"
#include "exec/timer.h"
#include "http/route.h"
#include "models/prediction_cache.h"
#include "models/serving.h"
#include "native/prediction_fallback.h"
#include "native/prediction_text.h"
#include "native/predictions_dto.h"
#include "telemetry/metrics.h"

namespace corbel::native {

class PredictionsApi {
 public:
  // Everything must outlive it.
  struct Parts {
    models::Serving& serving;
    models::PredictionCache& cache;
    exec::Pool& pool;   // for models that are slow or to be explained
    exec::Pool& loads;  // for models that are not in memory: these take seconds
    metrics::Metrics& metrics;
    IdSource& ids;
    const Clock& clock;
    // What answers in time where the model does not. Null: nothing, and errors are told.
    struct Fallbacks {
      PredictionFallback& fallback;
      exec::Pool& pool;    // of its own: the others may be what does not get on
      exec::Timer& timer;  // for models that take long to load
    }* fallbacks = nullptr;
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
  using SharedWork = std::shared_ptr<Work>;
  using Step = void (PredictionsApi::*)(const SharedWork& work);
  void queue(exec::Pool& pool, const SharedWork& work, Step step);
  void load(const SharedWork& work);
  void resume(const SharedWork& work);
  void run(const SharedWork& work);
  void runAtOnce(Work work);
  void runLoaded(const SharedWork& work, models::Serving::Handle served);
  // For whoever comes first; a second one does nothing.
  void finish(const SharedWork& work, Result<http::Response> response);
  // Answers, or leaves that to what may answer in the model's place.
  void settle(const SharedWork& work, Result<http::Response> response);
  void degrade(const SharedWork& work, const Error& why,
               const models::Serving::Handle& served = nullptr);
  void reply(Work& work, Result<http::Response> response, const models::ServedModel* served);
  Deadline ownDeadline(const Work& work) const;
  Deadline forFallback(const Work& work) const;
  void watch(const SharedWork& work);
  void answerWithoutModel(const SharedWork& work);
  Result<std::string> answer(const Work& work, std::chrono::nanoseconds& inference);
  Result<std::string> answerFromCache(const Work& work, CallFacts& facts);
  Result<http::Response> respond(const Work& work);
  void countAnswer(const Work& work, std::chrono::nanoseconds inference);
  void count(const Work& work, std::string_view status, const models::ServedModel* served);

  Parts parts_;
  metrics::Labelled<metrics::Counter, 3> predictions_;
  metrics::Labelled<metrics::Counter, 1> modelMisses_;
};

}  // namespace corbel::native
