#include "native/jobs_api.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace corbel::native {
namespace {

JobFileView view(const jobs::JobFile& file) {
  return {file.name, file.sizeBytes, file.sha256, file.contentType};
}

JobKindView view(const jobs::Kind& kind) {
  return {.kind = std::string(kind.name),
          .description = std::string(kind.doc),
          .startedByName = kind.start == jobs::Start::byName,
          .attemptsMax = kind.attemptsMax,
          .deadlineMs = kind.deadline.count()};
}

// How long the content of a file may take to be compared with its name.
constexpr std::chrono::seconds kOpening{30};

}  // namespace

JobView view(const jobs::Job& job) {
  JobView shown{.id = job.id,
                .kind = job.kind,
                .status = job.status,
                .progress = job.progress,
                .stage = job.stage,
                .message = job.message,
                .priority = job.priority,
                .attempts = job.attempts,
                .attemptsMax = job.attemptsMax,
                .cancelRequested = job.cancelRequested,
                .input = {job.input},
                .result = {},
                .error = {},
                .files = {},
                .scheduleId = job.scheduleId,
                .createdBy = job.createdBy,
                .createdAt = job.createdAt,
                .runAt = job.runAt,
                .startedAt = job.startedAt,
                .finishedAt = job.finishedAt};
  if (job.result) shown.result = json::Document{*job.result};
  if (!job.errorCode.empty()) shown.error = JobErrorView{job.errorCode, job.errorMessage};
  for (const jobs::JobFile& file : job.files) shown.files.push_back(view(file));
  return shown;
}

http::Accepted<JobView> accepted(const jobs::Job& job) {
  return {"/api/v1/ai/jobs/" + job.id, view(job)};
}

Result<JobKindList> JobsApi::kinds(http::Call&) {
  JobKindList list;
  for (const jobs::Kind* kind : parts_.kinds.all()) list.items.push_back(view(*kind));
  return list;
}

Result<Page<JobView>> JobsApi::list(http::Call& call, const ListJobs& request) {
  CORBEL_TRY(auto found, parts_.queue.list(call.tenant(),
                                           {.limit = request.limit + 1,
                                            .status = request.status,
                                            .kind = request.kind,
                                            .before = request.cursor.value_or("")},
                                           call.deadline()));
  Page<JobView> page;
  if (found.size() > static_cast<std::size_t>(request.limit)) {
    found.pop_back();
    page.nextCursor = found.back().id;
  }
  for (const jobs::Job& job : found) page.items.push_back(view(job));
  return page;
}

Result<http::Accepted<JobView>> JobsApi::start(http::Call& call, const NewJobRequest& request) {
  const jobs::Kind* kind = parts_.kinds.find(request.kind);
  if (kind != nullptr && kind->start != jobs::Start::byName)
    return failField("/kind", "has a path of its own: see GET /api/v1/ai/job-kinds");
  CORBEL_TRY(const auto job, parts_.queue.add({.tenant = call.tenant(),
                                               .kind = request.kind,
                                               .input = request.input.text,
                                               .createdBy = call.principal().id,
                                               .priority = request.priority,
                                               .runAt = request.runAt},
                                              call.deadline()));
  return accepted(job);
}

Result<JobView> JobsApi::read(http::Call& call) {
  CORBEL_TRY(const auto job,
             parts_.queue.get(call.tenant(), call.parameter("job"), call.deadline()));
  return view(job);
}

Result<JobLog> JobsApi::log(http::Call& call) {
  CORBEL_TRY(const auto lines,
             parts_.queue.log(call.tenant(), call.parameter("job"), 0, call.deadline()));
  JobLog log;
  for (const jobs::LogLine& line : lines) log.items.push_back({line.at, line.text});
  return log;
}

Result<http::Response> JobsApi::follow(http::Call& call) {
  const auto seen = parseNumber<std::int64_t>(http::lastEventId(call.head()));
  CORBEL_TRY(auto stream, parts_.feed.follow(call.tenant(), std::string(call.parameter("job")),
                                             seen.value_or(0)));
  return http::eventStream(std::move(stream));
}

Result<http::Response> JobsApi::download(http::Call& call) {
  CORBEL_TRY(const auto job,
             parts_.queue.get(call.tenant(), call.parameter("job"), call.deadline()));
  const auto file = std::ranges::find(job.files, call.parameter("file"), &jobs::JobFile::name);
  if (file == job.files.end()) return fail(ErrorCode::notFound, "The job has no such file.");
  CORBEL_TRY(const auto digest, objects::Digest::parse(file->sha256));
  CORBEL_TRY(auto object, parts_.objects.open(digest, Deadline::at(call.startedAt() + kOpening)));
  const auto bytes = static_cast<std::uint64_t>(object.sizeBytes());
  http::Response response{
      .status = 200, .contentType = "application/octet-stream", .headers = {}, .body = {}};
  response.headers.emplace_back("Content-Disposition", "attachment");
  response.body.emplace<http::FileRange>(std::move(object).release().release(), 0, bytes);
  return response;
}

Result<JobView> JobsApi::cancel(http::Call& call) {
  CORBEL_TRY(const auto job,
             parts_.queue.cancel(call.tenant(), call.parameter("job"), call.deadline()));
  return view(job);
}

Result<JobView> JobsApi::retry(http::Call& call) {
  CORBEL_TRY(const auto job,
             parts_.queue.retry(call.tenant(), call.parameter("job"), call.deadline()));
  return view(job);
}

}  // namespace corbel::native
