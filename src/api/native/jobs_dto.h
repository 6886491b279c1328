// What the native API shows and takes of jobs and schedules.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "jobs/kinds.h"
#include "json/describe.h"

namespace corbel::jobs {
BOOST_DESCRIBE_ENUM(Status, queued, running, succeeded, failed, cancelled)
}  // namespace corbel::jobs

namespace corbel::native {

struct JobErrorView {
  std::string code;
  std::string message;
};
BOOST_DESCRIBE_STRUCT(JobErrorView, (), (code, message))

struct JobFileView {
  std::string name;
  std::int64_t sizeBytes = 0;
  std::string sha256;
  std::string contentType;
};
BOOST_DESCRIBE_STRUCT(JobFileView, (), (name, sizeBytes, sha256, contentType))

struct JobView {
  std::string id;
  std::string kind;
  jobs::Status status = jobs::Status::queued;
  double progress = 0;
  std::string stage;
  std::string message;
  int priority = 0;
  int attempts = 0;
  int attemptsMax = 1;
  bool cancelRequested = false;
  json::Document input;
  std::optional<json::Document> result;
  std::optional<JobErrorView> error;
  std::vector<JobFileView> files;
  std::optional<std::string> scheduleId;
  std::string createdBy;
  Timestamp createdAt;
  Timestamp runAt;
  std::optional<Timestamp> startedAt;
  std::optional<Timestamp> finishedAt;

  static constexpr auto rules() {
    using Self = JobView;
    return std::array{
        json::rule<&Self::progress>({.doc = "From 0 to 1."}),
        json::rule<&Self::attempts>({.doc = "Begun so far; a job is begun again after a failure "
                                            "that may pass."}),
        json::rule<&Self::error>({.doc = "Of the last attempt that failed."}),
        json::rule<&Self::files>({.doc = "Download them at `/jobs/{job}/files/{file}`."}),
        json::rule<&Self::runAt>({.doc = "It does not begin before."})};
  }
};
BOOST_DESCRIBE_STRUCT(JobView, (),
                      (id, kind, status, progress, stage, message, priority, attempts, attemptsMax,
                       cancelRequested, input, result, error, files, scheduleId, createdBy,
                       createdAt, runAt, startedAt, finishedAt))

struct ListJobs {
  int limit = 50;
  std::optional<std::string> cursor;
  std::optional<jobs::Status> status;
  std::optional<std::string> kind;
  static constexpr auto rules() {
    using Self = ListJobs;
    return std::array{json::rule<&Self::limit>(
                          {.doc = "Jobs on a page.", .min = 1, .max = 200, .optional = true}),
                      json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.",
                                                 .format = json::Format::uuid}),
                      json::rule<&Self::status>({.doc = "`failed` lists what was given up."}),
                      json::rule<&Self::kind>({.format = json::Format::name})};
  }
};
BOOST_DESCRIBE_STRUCT(ListJobs, (), (limit, cursor, status, kind))

struct NewJobRequest {
  std::string kind;
  json::Document input{"{}"};
  int priority = 0;
  std::optional<Timestamp> runAt;
  static constexpr auto rules() {
    using Self = NewJobRequest;
    return std::array{
        json::rule<&Self::kind>({.doc = "One of `GET /job-kinds` that can be started by name.",
                                 .example = R"("model-validation")",
                                 .format = json::Format::name}),
        json::rule<&Self::input>(
            {.doc = "As the kind takes it.", .example = R"({})", .optional = true}),
        json::rule<&Self::priority>(
            {.doc = "Higher goes first.", .min = -100, .max = 100, .optional = true}),
        json::rule<&Self::runAt>({.doc = "Not before; default: now."})};
  }
};
BOOST_DESCRIBE_STRUCT(NewJobRequest, (), (kind, input, priority, runAt))

struct JobKindView {
  std::string kind;
  std::string description;
  bool startedByName = false;
  int attemptsMax = 1;
  std::int64_t deadlineMs = 0;
  static constexpr auto rules() {
    using Self = JobKindView;
    return std::array{
        json::rule<&Self::startedByName>(
            {.doc = "Whether `POST /jobs` and schedules may name it; others have a path of their "
                    "own."}),
        json::rule<&Self::deadlineMs>({.doc = "Of one attempt."})};
  }
};
BOOST_DESCRIBE_STRUCT(JobKindView, (), (kind, description, startedByName, attemptsMax, deadlineMs))

struct JobKindList {
  std::vector<JobKindView> items;
};
BOOST_DESCRIBE_STRUCT(JobKindList, (), (items))

struct LogLineView {
  Timestamp at;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(LogLineView, (), (at, text))

struct JobLog {
  std::vector<LogLineView> items;
};
BOOST_DESCRIBE_STRUCT(JobLog, (), (items))

struct ScheduleView {
  std::string id;
  std::string name;
  std::string kind;
  json::Document input;
  std::string cron;
  std::int64_t graceMs = 0;
  bool paused = false;
  Timestamp nextRunAt;
  std::optional<Timestamp> lastRunAt;
  std::optional<std::string> lastJobId;
  std::optional<Timestamp> lastSkippedAt;
  std::optional<std::string> lastSkippedReason;
  std::string createdBy;
  Timestamp createdAt;
};
BOOST_DESCRIBE_STRUCT(ScheduleView, (),
                      (id, name, kind, input, cron, graceMs, paused, nextRunAt, lastRunAt,
                       lastJobId, lastSkippedAt, lastSkippedReason, createdBy, createdAt))

struct ScheduleList {
  std::vector<ScheduleView> items;
};
BOOST_DESCRIBE_STRUCT(ScheduleList, (), (items))

inline constexpr double kGraceMsMax = 86'400'000;

struct NewScheduleRequest {
  std::string name;
  std::string kind;
  json::Document input{"{}"};
  std::string cron;
  std::int64_t graceMs = 300'000;
  bool paused = false;
  static constexpr auto rules() {
    using Self = NewScheduleRequest;
    return std::array{
        json::rule<&Self::name>({.doc = "Unique in the tenant.",
                                 .example = R"("nightly-check")",
                                 .format = json::Format::name}),
        json::rule<&Self::kind>({.doc = "A kind of job that can be started by name.",
                                 .example = R"("model-validation")",
                                 .format = json::Format::name}),
        json::rule<&Self::input>(
            {.doc = "As the kind takes it.", .example = R"({})", .optional = true}),
        json::rule<&Self::cron>({.doc = "Minute, hour, day of month, month, day of week; or six "
                                        "fields with the second in front. Times are UTC.",
                                 .example = R"("0 3 * * *")",
                                 .maxLength = 200}),
        json::rule<&Self::graceMs>({.doc = "How late a run may begin; a later one is left out.",
                                    .min = 1'000,
                                    .max = kGraceMsMax,
                                    .optional = true}),
        json::rule<&Self::paused>({.optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(NewScheduleRequest, (), (name, kind, input, cron, graceMs, paused))

struct SchedulePatch {
  std::optional<std::string> cron;
  std::optional<json::Document> input;
  std::optional<std::int64_t> graceMs;
  std::optional<bool> paused;
  static constexpr auto rules() {
    using Self = SchedulePatch;
    return std::array{
        json::rule<&Self::cron>({.example = R"("0 4 * * *")", .maxLength = 200}),
        json::rule<&Self::graceMs>({.min = 1'000, .max = kGraceMsMax}),
        json::rule<&Self::paused>({.doc = "A paused schedule makes no jobs.", .example = "true"})};
  }
};
BOOST_DESCRIBE_STRUCT(SchedulePatch, (), (cron, input, graceMs, paused))

struct NewPredictionJob {
  std::string format;
  std::optional<int> version;
  std::optional<std::string> alias;
  bool includeConfidence = true;
  bool includeFeatureImportance = false;
  int priority = 0;
  static constexpr auto rules() {
    using Self = NewPredictionJob;
    return std::array{
        json::rule<&Self::format>({.doc = "Of the rows: csv (names of the features in the first "
                                          "line), jsonl (one input a line) or json (a list of "
                                          "inputs, or `{\"inputs\": […]}`). Default: what "
                                          "Content-Type says.",
                                   .example = R"("jsonl")",
                                   .maxLength = 8,
                                   .optional = true}),
        json::rule<&Self::version>({.doc = "Default: the champion, else the latest.", .min = 1}),
        json::rule<&Self::alias>({.doc = "Instead of `version`.", .format = json::Format::name}),
        json::rule<&Self::includeConfidence>({.optional = true}),
        json::rule<&Self::includeFeatureImportance>({.optional = true}),
        json::rule<&Self::priority>(
            {.doc = "Higher goes first.", .min = -100, .max = 100, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(NewPredictionJob, (),
                      (format, version, alias, includeConfidence, includeFeatureImportance,
                       priority))

}  // namespace corbel::native
