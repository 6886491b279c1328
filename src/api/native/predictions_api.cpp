#include "native/predictions_api.h"

#include <utility>

#include "models/predicting.h"
#include "native/models_api.h"
#include "native/predict_input.h"
#include "native/prediction_text.h"
#include "telemetry/metric_table.h"

namespace corbel::native {

// One prediction under way, wherever it runs.
struct PredictionsApi::Work {
  http::Call call;
  PredictRequest request;
  http::Reply<http::Response> reply;
  models::VersionRef which;
  Deadline deadline = Deadline::never();
  std::shared_ptr<const models::ServedModel> served;
};

namespace {

models::VersionRef versionOf(const PredictOptions& options) {
  return {options.version, options.alias.value_or("")};
}

models::Importance importanceOf(const PredictOptions& options) {
  return options.includeFeatureImportance ? models::Importance::yes : models::Importance::no;
}

// The options that change the answer, for the cache.
std::string_view optionsKey(const PredictOptions& options) {
  static constexpr std::string_view kKeys[] = {"", "c", "i", "ci"};
  return kKeys[(options.includeConfidence ? 1 : 0) + (options.includeFeatureImportance ? 2 : 0)];
}

// A named row of a quick model costs less than handing it to another thread; a picture or a long
// text does not.
bool runsAtOnce(const models::ServedModel& served, const PredictRequest& request) {
  constexpr std::size_t kShortInput = 16 * limits::kKiB;
  return served.engine->isQuick() && served.plan.form() == inference::InputForm::fields &&
         request.input.text.size() <= kShortInput && served.cacheTtl.count() == 0 &&
         !request.options.includeFeatureImportance;
}

// Other connections wait on the same network thread.
constexpr std::chrono::milliseconds kAtOnce{20};

}  // namespace

PredictionsApi::PredictionsApi(Parts parts)
    : parts_(parts),
      predictions_(parts.metrics.of(metrics::kPredictions)),
      modelMisses_(parts.metrics.of(metrics::kModelCacheMisses)) {}

void PredictionsApi::predict(http::Call call, PredictRequest request,
                             http::Reply<http::Response> reply) {
  const PredictOptions& options = request.options;
  if (options.version && options.alias) {
    return reply(failField("/options/alias", "must not stand beside version"));
  }
  Deadline deadline = call.deadline();
  if (options.timeoutMs) {
    deadline = deadline.earlier(
        Deadline::at(call.startedAt() + std::chrono::milliseconds(*options.timeoutMs)));
  }
  auto which = versionOf(options);  // before the request moves away
  Work work{std::move(call),  std::move(request), std::move(reply),
            std::move(which), deadline,           nullptr};
  work.served = parts_.serving.find(work.call.tenant(), work.call.parameter("model"), work.which);
  (work.served ? work.served->metrics->cacheHits : modelMisses_.with(work.call.tenant())).add();
  if (work.served && runsAtOnce(*work.served, work.request)) return runAtOnce(std::move(work));
  auto shared = std::make_shared<Work>(std::move(work));
  if (shared->served) return queue(parts_.pool, shared, &PredictionsApi::run);
  queue(parts_.loads, shared, &PredictionsApi::load);
}

// What a model costs may depend on its input: one that is not quick this time begins again on the
// pool.
void PredictionsApi::runAtOnce(Work work) {
  const Deadline whole = work.deadline;
  work.deadline = whole.earlier(Deadline::after(parts_.clock, kAtOnce));
  auto response = respond(work);
  const bool tooSlow = !response && response.error().code == ErrorCode::deadlineExceeded;
  if (!tooSlow || whole.expired(parts_.clock)) return finish(std::move(work), std::move(response));
  work.deadline = whole;
  queue(parts_.pool, std::make_shared<Work>(std::move(work)), &PredictionsApi::run);
}

void PredictionsApi::queue(exec::Pool& pool, const SharedWork& work, Step step) {
  const bool accepted = pool.tryRun([this, work, step] {
    if (!work->deadline.expired(parts_.clock)) return (this->*step)(work);
    finish(std::move(*work),
           fail(ErrorCode::deadlineExceeded, "The prediction waited longer than allowed."));
  });
  if (accepted) return;
  work->call.addHeader("Retry-After", "1");
  finish(std::move(*work),
         fail(ErrorCode::unavailable, "Too many predictions are waiting. Try again in a second."));
}

void PredictionsApi::load(const SharedWork& work) {
  auto scope = scopeOf(work->call);
  scope.deadline = work->deadline;
  auto loaded = parts_.serving.load(scope, work->call.parameter("model"), work->which,
                                    [this, work] { resume(work); });
  if (!loaded) return finish(std::move(*work), std::unexpected(std::move(loaded).error()));
  if (*loaded == nullptr) return;  // it goes on, or has gone on already, in resume()
  work->served = *std::move(loaded);
  queue(parts_.pool, work, &PredictionsApi::run);
}

void PredictionsApi::resume(const SharedWork& work) {
  work->served =
      parts_.serving.find(work->call.tenant(), work->call.parameter("model"), work->which);
  if (work->served) return queue(parts_.pool, work, &PredictionsApi::run);
  queue(parts_.loads, work, &PredictionsApi::load);
}

void PredictionsApi::run(const SharedWork& work) {
  auto response = respond(*work);
  finish(std::move(*work), std::move(response));
}

void PredictionsApi::finish(Work work, Result<http::Response> response) {
  if (!response) count(work, name(response.error().code));
  work.reply(std::move(response));
}

Result<std::string> PredictionsApi::answer(const Work& work, std::chrono::nanoseconds& inference) {
  const auto& served = *work.served;
  CORBEL_TRY(const auto input,
             readInput(served.plan, served.engine->signature(), work.request.input.text));
  CORBEL_TRY(const auto result, models::predict(served, input, importanceOf(work.request.options),
                                                work.deadline, parts_.clock));
  inference = result.inference;
  const auto confidence = work.request.options.includeConfidence ? Confidence::yes : Confidence::no;
  return resultMembers(served, result, confidence);
}

Result<cache::Found> PredictionsApi::answerFromCache(const Work& work, CallFacts& facts) {
  const auto& served = *work.served;
  const std::string hash =
      models::PredictionCache::hashOf(served.versionId, served.modelRevision,
                                      work.request.input.text, optionsKey(work.request.options));
  facts.cached = true;
  CORBEL_TRY(auto found,
             parts_.cache.findOrMake(work.call.tenant(), hash, served.cacheTtl, work.deadline, [&] {
               facts.cached = false;
               return answer(work, facts.inference);
             }));
  if (found.stale) facts.cached = facts.stale = true;
  return found;
}

Result<http::Response> PredictionsApi::respond(const Work& work) {
  const auto& served = *work.served;
  CallFacts facts;
  std::string members;
  if (served.cacheTtl.count() > 0) {
    CORBEL_TRY(auto found, answerFromCache(work, facts));
    members = std::move(found.value);
  } else {
    CORBEL_TRY(members, answer(work, facts.inference));
  }
  facts.cached ? count(work, facts.stale ? "stale" : "cached") : countAnswer(work, facts.inference);
  const std::string id = parts_.ids.next();
  facts.predictionId = id;
  facts.total = parts_.clock.steady() - work.call.startedAt();
  http::Response response;
  response.body = predictionJson(members, served, facts);
  return response;
}

void PredictionsApi::countAnswer(const Work& work, std::chrono::nanoseconds inference) {
  const models::ModelMetrics& counts = *work.served->metrics;
  counts.answered.add();
  counts.inferenceDuration.observe(inference);
  counts.inferenceTime.observe(inference);
}

void PredictionsApi::count(const Work& work, std::string_view status) {
  // What was not found or not loaded may be any text: names of callers would have no bound here.
  const std::string_view model =
      work.served ? std::string_view(work.served->modelName) : std::string_view("unknown");
  predictions_.with(status, work.call.tenant(), model).add();
}

}  // namespace corbel::native
