#include "native/predictions_api.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "models/predicting.h"
#include "native/models_api.h"
#include "native/predict_input.h"
#include "native/prediction_text.h"
#include "telemetry/metric_table.h"

namespace corbel::native {

namespace {

// Whoever takes it has the call to himself: what was asked may be gone once it is answered.
class Once {
 public:
  Once() = default;
  Once(Once&& other) noexcept : taken_(other.taken_.load()) {}
  Once& operator=(Once&&) = delete;
  ~Once() = default;
  bool take() { return !taken_.exchange(true); }

 private:
  std::atomic<bool> taken_ = false;
};

}  // namespace

// One prediction under way, wherever it runs.
struct PredictionsApi::Work {
  http::Call call;
  PredictRequest request;
  http::Reply<http::Response> reply;
  models::VersionRef which;
  Deadline deadline = Deadline::never();  // of the model
  std::shared_ptr<const models::ServedModel> served;
  Deadline whole = Deadline::never();  // of the answer
  Once owner;
};

namespace {

models::VersionRef versionOf(const PredictOptions& options) {
  return {options.version, options.alias.value_or("")};
}

models::Importance importanceOf(const PredictOptions& options) {
  return options.includeFeatureImportance ? models::Importance::yes : models::Importance::no;
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

// Left for what answers in the model's place: a fifth of the time, and no more than this.
constexpr std::chrono::milliseconds kForFallback{500};
constexpr std::chrono::milliseconds kAtLeastForFallback{50};

Error tooLate() {
  return {ErrorCode::deadlineExceeded, "The prediction waited longer than allowed.", {}, {}};
}

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
  Work work{std::move(call),  std::move(request),
            std::move(reply), std::move(which),
            deadline,         nullptr,
            deadline,         {}};
  work.served = parts_.serving.find(work.call.tenant(), work.call.parameter("model"), work.which);
  (work.served ? work.served->metrics->cacheHits : modelMisses_.with(work.call.tenant())).add();
  if (work.served && runsAtOnce(*work.served, work.request)) return runAtOnce(std::move(work));
  auto shared = std::make_shared<Work>(std::move(work));
  shared->deadline = ownDeadline(*shared);
  if (shared->served) return queue(parts_.pool, shared, &PredictionsApi::run);
  watch(shared);
  queue(parts_.loads, shared, &PredictionsApi::load);
}

// The model's time, where something else could answer after it.
Deadline PredictionsApi::ownDeadline(const Work& work) const {
  if (parts_.fallbacks == nullptr || work.whole.time() == SteadyTime::max()) return work.whole;
  if (work.served && !parts_.fallbacks->fallback.mayAnswer(*work.served)) return work.whole;
  const auto all = work.whole.time() - work.call.startedAt();
  return Deadline::at(work.whole.time() - std::min<SteadyTime::duration>(all / 5, kForFallback));
}

// Who gave the model a millisecond gets an answer nevertheless, if it is at hand.
Deadline PredictionsApi::forFallback(const Work& work) const {
  const auto shortly = parts_.clock.steady() + kAtLeastForFallback;
  return Deadline::at(std::max(work.whole.time(), shortly));
}

// Loading a model may take longer than its caller waits.
void PredictionsApi::watch(const SharedWork& work) {
  if (parts_.fallbacks == nullptr || work->whole.time() == SteadyTime::max()) return;
  const std::weak_ptr<Work> waiting = work;
  parts_.fallbacks->timer.at(work->deadline, [this, waiting] {
    const SharedWork late = waiting.lock();
    if (late) parts_.fallbacks->pool.tryRun([this, late] { answerWithoutModel(late); });
  });
}

void PredictionsApi::answerWithoutModel(const SharedWork& work) {
  const auto& fallback = parts_.fallbacks->fallback;
  if (fallback.mayAnswer(work->call, work->which, forFallback(*work))) {
    if (work->owner.take()) degrade(work, tooLate());
    return;
  }
  // Nothing can: the model has until the end.
  const std::weak_ptr<Work> waiting = work;
  parts_.fallbacks->timer.at(work->whole, [this, waiting] {
    const SharedWork late = waiting.lock();
    if (late && late->owner.take()) reply(*late, std::unexpected(tooLate()), nullptr);
  });
}

// What a model costs may depend on its input: one that is not quick this time begins again on the
// pool.
void PredictionsApi::runAtOnce(Work work) {
  work.deadline = work.whole.earlier(Deadline::after(parts_.clock, kAtOnce));
  auto response = respond(work);
  if (response) return work.reply(std::move(response));
  const bool tooSlow = response.error().code == ErrorCode::deadlineExceeded;
  const auto shared = std::make_shared<Work>(std::move(work));
  shared->deadline = ownDeadline(*shared);
  if (tooSlow && !shared->deadline.expired(parts_.clock))
    return queue(parts_.pool, shared, &PredictionsApi::run);
  finish(shared, std::move(response));
}

void PredictionsApi::queue(exec::Pool& pool, const SharedWork& work, Step step) {
  const bool accepted = pool.tryRun([this, work, step] {
    const Deadline deadline = work->served ? work->deadline : work->whole;
    if (!deadline.expired(parts_.clock)) return (this->*step)(work);
    finish(work, std::unexpected(tooLate()));
  });
  if (accepted) return;
  finish(work,
         fail(ErrorCode::unavailable, "Too many predictions are waiting. Try again in a second."));
}

void PredictionsApi::load(const SharedWork& work) {
  auto scope = scopeOf(work->call);
  scope.deadline = work->whole;
  auto loaded = parts_.serving.load(scope, work->call.parameter("model"), work->which,
                                    [this, work] { resume(work); });
  if (!loaded) return finish(work, std::unexpected(std::move(loaded).error()));
  if (*loaded == nullptr) return;  // it goes on, or has gone on already, in resume()
  runLoaded(work, *std::move(loaded));
}

void PredictionsApi::resume(const SharedWork& work) {
  auto served =
      parts_.serving.find(work->call.tenant(), work->call.parameter("model"), work->which);
  if (served) return runLoaded(work, std::move(served));
  queue(parts_.loads, work, &PredictionsApi::load);
}

void PredictionsApi::runLoaded(const SharedWork& work, models::Serving::Handle served) {
  work->served = std::move(served);
  work->deadline = ownDeadline(*work);
  queue(parts_.pool, work, &PredictionsApi::run);
}

void PredictionsApi::run(const SharedWork& work) {
  if (work->owner.take()) settle(work, respond(*work));
}

void PredictionsApi::finish(const SharedWork& work, Result<http::Response> response) {
  if (work->owner.take()) settle(work, std::move(response));
}

void PredictionsApi::settle(const SharedWork& work, Result<http::Response> response) {
  const bool mayDegrade =
      !response && parts_.fallbacks != nullptr && PredictionFallback::isFor(response.error());
  if (mayDegrade) return degrade(work, response.error(), work->served);
  reply(*work, std::move(response), work->served.get());
}

void PredictionsApi::degrade(const SharedWork& work, const Error& why,
                             const models::Serving::Handle& served) {
  const bool accepted = parts_.fallbacks->pool.tryRun([this, work, why, served] {
    auto response = parts_.fallbacks->fallback.answer(
        {work->call, work->request, work->which, served.get()}, why, forFallback(*work));
    if (response) return work->reply(*std::move(response));
    reply(*work, std::unexpected(why), served.get());
  });
  if (!accepted) reply(*work, std::unexpected(why), served.get());
}

void PredictionsApi::reply(Work& work, Result<http::Response> response,
                           const models::ServedModel* served) {
  if (!response) {
    count(work, name(response.error().code), served);
    if (response.error().code == ErrorCode::unavailable) work.call.addHeader("Retry-After", "1");
  }
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

Result<std::string> PredictionsApi::answerFromCache(const Work& work, CallFacts& facts) {
  const auto& served = *work.served;
  const std::string hash =
      models::PredictionCache::hashOf(served.versionId, served.modelRevision,
                                      work.request.input.text, optionsKey(work.request.options));
  facts.cached = true;
  return parts_.cache.findOrMake(work.call.tenant(), hash, served.cacheTtl, work.deadline, [&] {
    facts.cached = false;
    return answer(work, facts.inference);
  });
}

Result<http::Response> PredictionsApi::respond(const Work& work) {
  const auto& served = *work.served;
  CallFacts facts;
  std::string members;
  if (served.cacheTtl.count() > 0) {
    CORBEL_TRY(members, answerFromCache(work, facts));
  } else {
    CORBEL_TRY(members, answer(work, facts.inference));
  }
  facts.cached ? count(work, "cached", work.served.get()) : countAnswer(work, facts.inference);
  const std::string id = parts_.ids.next();
  facts.predictionId = id;
  facts.total = parts_.clock.steady() - work.call.startedAt();
  http::Response response;
  response.body =
      predictionJson(members, {served.modelId, served.modelName, served.version}, facts);
  return response;
}

void PredictionsApi::countAnswer(const Work& work, std::chrono::nanoseconds inference) {
  const models::ModelMetrics& counts = *work.served->metrics;
  counts.answered.add();
  counts.inferenceDuration.observe(inference);
  counts.inferenceTime.observe(inference);
}

void PredictionsApi::count(const Work& work, std::string_view status,
                           const models::ServedModel* served) {
  // What was not found or not loaded may be any text: names of callers would have no bound here.
  const std::string_view model =
      served != nullptr ? std::string_view(served->modelName) : std::string_view("unknown");
  predictions_.with(status, work.call.tenant(), model).add();
}

}  // namespace corbel::native
