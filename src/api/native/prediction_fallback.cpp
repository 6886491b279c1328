#include "native/prediction_fallback.h"

#include <condition_variable>
#include <utility>

#include "base/limits.h"
#include "base/mutex.h"
#include "json/decode.h"
#include "json/encode.h"
#include "models/declaration.h"
#include "models/predicting.h"
#include "native/models_api.h"
#include "native/predict_input.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::native {
namespace {

constexpr std::string_view kModule = "predictions";

// What the product's endpoint says; anything else in it is its own business.
struct EndpointAnswer {
  json::Document prediction;
  std::optional<double> confidence;
};
BOOST_DESCRIBE_STRUCT(EndpointAnswer, (), (prediction, confidence))

// Between who loads a model and who waits for it, who may be gone when it is there.
struct Loading {
  Mutex mutex;
  std::condition_variable ended;
  bool hasEnded CORBEL_GUARDED_BY(mutex) = false;
  models::Serving::Handle served CORBEL_GUARDED_BY(mutex);

  void end(models::Serving::Handle with) {
    const MutexLock lock(mutex);
    hasEnded = true;
    served = std::move(with);
    ended.notify_all();
  }
  models::Serving::Handle await(Deadline deadline, const Clock& clock) {
    MutexLock lock(mutex);
    while (!hasEnded && waitUntil(lock, ended, deadline, clock)) {
    }
    return served;
  }
};

Deadline halfOf(Deadline deadline, const Clock& clock) {
  if (deadline.time() == SteadyTime::max()) return deadline;
  const SteadyTime now = clock.steady();
  return Deadline::at(now + (deadline.time() - now) / 2);
}

std::string predictionMember(std::string_view json) {
  std::string members;
  json::Writer writer(members);
  writer.key("prediction");
  writer.raw(json);
  return members;
}

}  // namespace

std::string_view optionsKey(const PredictOptions& options) {
  static constexpr std::string_view kKeys[] = {"", "c", "i", "ci"};
  return kKeys[(options.includeConfidence ? 1 : 0) + (options.includeFeatureImportance ? 2 : 0)];
}

// What is known of the model without its engine.
struct PredictionFallback::Subject {
  std::string modelId;
  std::string modelName;
  int version = 0;
  std::string versionId;
  int modelRevision = 0;
  std::chrono::seconds cacheTtl{0};
  models::Fallback fallback;
};

PredictionFallback::PredictionFallback(Parts parts) : parts_(std::move(parts)) {}

bool PredictionFallback::isFor(const Error& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::deadlineExceeded ||
         error.code == ErrorCode::internal;
}

bool PredictionFallback::hasAnything(std::chrono::seconds cacheTtl,
                                     const models::Fallback& declared) const {
  return parts_.hasEndpoint || cacheTtl.count() > 0 || !declared.empty();
}

bool PredictionFallback::mayAnswer(const models::ServedModel& served) const {
  return hasAnything(served.cacheTtl, served.fallback);
}

bool PredictionFallback::mayAnswer(const http::Call& call, const models::VersionRef& which,
                                   Deadline deadline) const {
  const auto subject = subjectOf(call, which, nullptr, deadline);
  return subject && hasAnything(subject->cacheTtl, subject->fallback);
}

std::optional<http::Response> PredictionFallback::answer(const Question& question, const Error& why,
                                                         Deadline deadline) {
  const auto subject = subjectOf(question.call, question.which, question.served, deadline);
  if (!subject) return std::nullopt;
  const auto found = find(question, *subject, deadline);
  if (!found) return std::nullopt;
  parts_.metrics.of(metrics::kFallbacks)
      .with(name(found->kind), question.call.tenant(), subject->modelName)
      .add();
  parts_.metrics.of(metrics::kPredictions)
      .with("degraded", question.call.tenant(), subject->modelName)
      .add();
  const std::string id = parts_.ids.next();
  const CallFacts facts{
      .predictionId = id,
      .total = parts_.clock.steady() - question.call.startedAt(),
      .cached = found->kind == FallbackKind::cache || found->kind == FallbackKind::staleCache,
      .degraded = Degraded{why.message, found->kind, found->model}};
  http::Response response;
  response.body = predictionJson(found->members,
                                 {subject->modelId, subject->modelName, subject->version}, facts);
  return response;
}

Result<PredictionFallback::Subject> PredictionFallback::subjectOf(const http::Call& call,
                                                                  const models::VersionRef& which,
                                                                  const models::ServedModel* served,
                                                                  Deadline deadline) const {
  if (served != nullptr) {
    return Subject{served->modelId,       served->modelName, served->version, served->versionId,
                   served->modelRevision, served->cacheTtl,  served->fallback};
  }
  auto scope = scopeOf(call);
  scope.deadline = deadline;
  CORBEL_TRY(auto resolved, parts_.registry.resolve(scope, call.parameter("model"), which));
  CORBEL_TRY(auto declaration, models::parseDeclaration(resolved.model));
  return Subject{std::move(resolved.model.id),   std::move(resolved.model.name),
                 resolved.version.number,        std::move(resolved.version.id),
                 resolved.model.revision,        declaration.cacheTtl,
                 std::move(declaration.fallback)};
}

std::optional<PredictionFallback::Found> PredictionFallback::find(const Question& question,
                                                                  const Subject& subject,
                                                                  Deadline deadline) {
  const models::Fallback& declared = subject.fallback;
  if (auto cached = fromCache(question, subject, deadline)) return cached;
  if (auto other = fromModel(question, declared.model, deadline)) return other;
  if (const auto ruled = declared.byRule(question.request.input.text))
    return Found{predictionMember(*ruled), FallbackKind::rule};
  if (!declared.url.empty()) {
    if (auto product = fromEndpoint(question, subject, declared.url, deadline)) return product;
  }
  if (!parts_.hasEndpoint) return std::nullopt;
  return fromEndpoint(question, subject, "", deadline);
}

std::optional<PredictionFallback::Found> PredictionFallback::fromCache(const Question& question,
                                                                       const Subject& subject,
                                                                       Deadline deadline) {
  if (subject.cacheTtl.count() == 0) return std::nullopt;
  const std::string hash = models::PredictionCache::hashOf(subject.versionId, subject.modelRevision,
                                                           question.request.input.text,
                                                           optionsKey(question.request.options));
  const std::string& tenant = question.call.tenant();
  auto entry = parts_.cache.findAny(tenant, hash, deadline);
  if (!entry) return std::nullopt;
  const bool isFresh = entry->freshFor > std::chrono::milliseconds(0);
  return Found{std::move(entry->value), isFresh ? FallbackKind::cache : FallbackKind::staleCache};
}

std::optional<PredictionFallback::Found> PredictionFallback::fromModel(const Question& question,
                                                                       const std::string& model,
                                                                       Deadline deadline) {
  if (model.empty()) return std::nullopt;
  auto served = parts_.serving.find(question.call.tenant(), model, {});
  if (!served) served = loaded(question.call, model, halfOf(deadline, parts_.clock));
  if (!served) return std::nullopt;
  const auto input =
      readInput(served->plan, served->engine->signature(), question.request.input.text);
  const auto result =
      input ? models::predict(*served, *input, models::Importance::no, deadline, parts_.clock)
            : std::unexpected(input.error());
  if (!result) {
    log::warn(kModule, "the model to fall back on cannot answer either",
              {{"model", model}, {"error", result.error().message}});
    return std::nullopt;
  }
  const auto confidence =
      question.request.options.includeConfidence ? Confidence::yes : Confidence::no;
  return Found{resultMembers(*served, *result, confidence), FallbackKind::model, served->modelName};
}

models::Serving::Handle PredictionFallback::loaded(const http::Call& call, const std::string& model,
                                                   Deadline deadline) const {
  const auto loading = std::make_shared<Loading>();
  const bool accepted =
      parts_.loads.tryRun([loading, &serving = parts_.serving, tenant = call.tenant(),
                           actor = call.principal().id, model, deadline] {
        auto loaded = serving.load({tenant, actor, deadline}, model, {}, [=, &serving] {
          loading->end(serving.find(tenant, model, {}));
        });
        // Null: somebody else is loading it.
        if (!loaded || *loaded) loading->end(std::move(loaded).value_or(nullptr));
      });
  return accepted ? loading->await(deadline, parts_.clock) : nullptr;
}

std::optional<PredictionFallback::Found> PredictionFallback::fromEndpoint(const Question& question,
                                                                          const Subject& subject,
                                                                          const std::string& url,
                                                                          Deadline deadline) const {
  std::string body;
  json::Writer writer(body);
  writer.beginObject();
  writer.field("tenant", question.call.tenant());
  writer.field("model", subject.modelName);
  writer.field("version", subject.version);
  writer.key("input");
  writer.raw(question.request.input.text);
  writer.endObject();
  if (body.size() > limits::kJsonBody) return std::nullopt;
  const auto text = parts_.ask(url, body, deadline);
  auto answer = text ? json::decode<EndpointAnswer>(*text, json::Policy::lenient)
                     : std::unexpected(text.error());
  if (!answer) {
    log::warn(kModule, "the endpoint to fall back on has no answer",
              {{"model", subject.modelName},
               {"error", answer.error().message},
               {"detail", answer.error().detail}});
    return std::nullopt;
  }
  std::string members = predictionMember(answer->prediction.text);
  if (answer->confidence) {
    members += ',';
    json::Writer more(members);
    more.field("confidence", *answer->confidence);
  }
  return Found{std::move(members), FallbackKind::endpoint};
}

}  // namespace corbel::native
