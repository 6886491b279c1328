#include "native/prediction_jobs_api.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "json/encode.h"
#include "native/artifact_sink.h"
#include "native/batch_prediction.h"
#include "native/jobs_api.h"
#include "native/models_api.h"
#include "native/row_reader.h"

namespace corbel::native {
namespace {

// Of the work before and after the body, however long that took to arrive.
constexpr std::chrono::seconds kOwnTime{10};
constexpr std::chrono::minutes kHold{10};

std::string_view mediaType(const http::Call& call) {
  std::string_view rest = call.head().header("Content-Type");
  return trim(takeUntil(rest, ';'));
}

Result<RowFormat> formatOf(const http::Call& call, const NewPredictionJob& request) {
  if (!request.format.empty()) {
    if (const auto format = parseRowFormat(request.format)) return *format;
    return failField("?format", "must be csv, jsonl or json");
  }
  const auto media = mediaType(call);
  if (equalsIgnoringCase(media, "text/csv")) return RowFormat::csv;
  if (equalsIgnoringCase(media, "application/json")) return RowFormat::json;
  if (equalsIgnoringCase(media, "application/x-ndjson") ||
      equalsIgnoringCase(media, "application/jsonl")) {
    return RowFormat::jsonl;
  }
  return failField("?format", "is required where Content-Type does not say: csv, jsonl or json");
}

}  // namespace

Result<std::shared_ptr<http::BodySink>> PredictionJobsApi::begin(http::Call& call) {
  const models::Scope scope{call.tenant(), call.principal().id,
                            Deadline::after(parts_.clock, kOwnTime)};
  CORBEL_CHECK(parts_.registry.find(scope, call.parameter("model")));
  CORBEL_CHECK(checkStorage(call, 1));
  CORBEL_TRY(auto writer, parts_.objects.begin());
  return std::make_shared<ArtifactSink>(std::move(writer), parts_.pool);
}

Result<void> PredictionJobsApi::checkStorage(const http::Call& call, std::int64_t more) const {
  const auto quota = quotaOf(parts_.directory, call).storageBytes;
  if (!quota) return {};
  const Deadline deadline = Deadline::after(parts_.clock, kOwnTime);
  CORBEL_TRY(const std::int64_t models,
             parts_.registry.storedBytes({call.tenant(), call.principal().id, deadline}));
  CORBEL_TRY(const std::int64_t jobs, parts_.queue.storedBytes(call.tenant(), deadline));
  if (models + jobs + more <= *quota) return {};
  return fail(ErrorCode::insufficientStorage,
              fmt::format("With this file the tenant would use more than its storage of {} bytes: "
                          "models have {}, files of jobs {}.",
                          *quota, models, jobs));
}

Result<http::Accepted<JobView>> PredictionJobsApi::finish(http::Call& call,
                                                          const NewPredictionJob& request) {
  const Deadline deadline = Deadline::after(parts_.clock, kOwnTime);
  if (request.version && request.alias) return failField("?alias", "must not stand beside version");
  CORBEL_TRY(const RowFormat format, formatOf(call, request));
  CORBEL_TRY(const auto resolved,
             parts_.registry.resolve({call.tenant(), call.principal().id, deadline},
                                     call.parameter("model"),
                                     {request.version, request.alias.value_or("")}));
  const BatchPredictionInput input{.model = resolved.model.id,
                                   .modelName = resolved.model.name,
                                   .version = resolved.version.number,
                                   .format = std::string(name(format)),
                                   .includeConfidence = request.includeConfidence,
                                   .includeFeatureImportance = request.includeFeatureImportance};
  CORBEL_TRY(auto object,
             parts_.custody.commit(static_cast<ArtifactSink&>(*call.context().upload).writer(),
                                   kHold, deadline));
  const jobs::JobFile file{std::string(kBatchInput), object.info.digest.hex(),
                           object.info.sizeBytes, std::string(mediaType(call))};
  const auto room = checkStorage(call, object.info.sizeBytes);
  if (!room) {
    parts_.custody.giveUp(std::move(object), Deadline::after(parts_.clock, kOwnTime));
    return std::unexpected(room.error());
  }
  const auto job = parts_.queue.add({.tenant = call.tenant(),
                                     .kind = kBatchPrediction,
                                     .input = json::encode(input),
                                     .createdBy = call.principal().id,
                                     .priority = request.priority,
                                     .files = {file}},
                                    deadline);
  if (!job) {
    parts_.custody.giveUp(std::move(object), Deadline::after(parts_.clock, kOwnTime));
    return std::unexpected(job.error());
  }
  return accepted(*job);
}

}  // namespace corbel::native
