// What answers a prediction when its model cannot.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "exec/pool.h"
#include "http/call.h"
#include "http/message.h"
#include "models/prediction_cache.h"
#include "models/registry.h"
#include "models/serving.h"
#include "native/prediction_text.h"
#include "native/predictions_dto.h"
#include "telemetry/metrics.h"

namespace corbel::native {

// Thread-safe.
//
// In this order: an answer of the cache, fresh or expired; the model, the rules and the prediction
// that the model's owner declared; the product's own endpoint, the owner's before the operator's.
class PredictionFallback {
 public:
  // Asks the product: `url` as the owner declared it, empty: the operator's. Its answer's body.
  using Ask =
      std::function<Result<std::string>(const std::string& url, const std::string& body, Deadline)>;

  // Everything must outlive it.
  struct Parts {
    models::Registry& registry;
    models::Serving& serving;
    models::PredictionCache& cache;
    metrics::Metrics& metrics;
    IdSource& ids;
    const Clock& clock;
    exec::Pool& loads;  // for models that are not in memory; not the one that answers run on
    Ask ask;
    bool hasEndpoint = false;  // the operator has one for all models
  };
  explicit PredictionFallback(Parts parts);

  // Whether this error is one that something else may answer in place of.
  static bool isFor(const Error& error);
  // Whether there is anything for that model; without I/O.
  bool mayAnswer(const models::ServedModel& served) const;
  // The same for one that is not in memory; asks the store.
  bool mayAnswer(const http::Call& call, const models::VersionRef& which, Deadline deadline) const;

  struct Question {
    const http::Call& call;
    const PredictRequest& request;
    const models::VersionRef& which;
    const models::ServedModel* served = nullptr;  // null: not in memory
  };
  // The whole answer, which says that it is degraded and why. Nothing: there is none. Waits for the
  // store, a model or the endpoint, until `deadline`; for a model that is not in memory half of
  // that time, and then it is loaded on for those who come next.
  std::optional<http::Response> answer(const Question& question, const Error& why,
                                       Deadline deadline);

 private:
  struct Subject;
  struct Found {
    std::string members;
    FallbackKind kind = FallbackKind::cache;
    std::string model = {};
  };

  Result<Subject> subjectOf(const http::Call& call, const models::VersionRef& which,
                            const models::ServedModel* served, Deadline deadline) const;
  bool hasAnything(std::chrono::seconds cacheTtl, const models::Fallback& declared) const;
  std::optional<Found> find(const Question& question, const Subject& subject, Deadline deadline);
  std::optional<Found> fromCache(const Question& question, const Subject& subject,
                                 Deadline deadline);
  std::optional<Found> fromModel(const Question& question, const std::string& model,
                                 Deadline deadline);
  // Null: it is not in memory by then.
  models::Serving::Handle loaded(const http::Call& call, const std::string& model,
                                 Deadline deadline) const;
  std::optional<Found> fromEndpoint(const Question& question, const Subject& subject,
                                    const std::string& url, Deadline deadline) const;

  const Parts parts_;
};

// The options that change the answer, for the cache.
std::string_view optionsKey(const PredictOptions& options);

}  // namespace corbel::native
