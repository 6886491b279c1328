// What a job is, and what kinds of jobs there are. A feature adds its kind where the program is put
// together; queue and workers know no kind by name.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"

namespace corbel::jobs {

enum class Status : std::uint8_t { queued, running, succeeded, failed, cancelled };
std::string_view name(Status status);
std::optional<Status> parseStatus(std::string_view name);

constexpr bool hasEnded(Status status) {
  return status != Status::queued && status != Status::running;
}

// What a job works on, or made, in the object store.
struct JobFile {
  std::string name;  // unique within the job, as in "input"
  std::string sha256;
  std::int64_t sizeBytes = 0;
  std::string contentType;
  // Of one that an attempt attaches: kept until the job has the file, or never will.
  std::shared_ptr<const void> hold = {};
};

struct Job {
  std::string id;
  std::string tenant;
  std::string kind;
  Status status = Status::queued;
  int priority = 0;
  Timestamp runAt;  // not before; of a job that failed and is tried again: then
  std::string input;
  std::optional<std::string> result = {};  // JSON, of one that succeeded
  std::string errorCode = {};              // of the last attempt that failed
  std::string errorMessage = {};
  double progress = 0;  // 0 to 1
  std::string stage = {};
  std::string message = {};
  int attempts = 0;  // begun so far
  int attemptsMax = 1;
  bool cancelRequested = false;
  std::int64_t revision = 1;  // grows with every change
  std::string createdBy;
  Timestamp createdAt;
  std::optional<Timestamp> startedAt = {};
  std::optional<Timestamp> finishedAt = {};
  std::optional<std::string> scheduleId = {};
  std::optional<Timestamp> scheduledFor = {};
  std::vector<JobFile> files = {};
};

inline constexpr int kLogLines = 200;              // kept of a job; the oldest go first
inline constexpr std::size_t kLogLineBytes = 500;  // longer lines are cut
struct LogLine {
  std::int64_t revision = 0;  // of the job when it came
  Timestamp at = {};
  std::string text = {};
};

// A job at work, as its kind sees it. Thread-safe.
class Context {
 public:
  virtual ~Context() = default;
  virtual const Job& job() const = 0;
  // Of this attempt.
  virtual Deadline deadline() const = 0;
  // True when the job should end soon: cancelled, out of time, or the process stops. What run()
  // answers then does not matter unless it is a result.
  virtual std::stop_token stop() const = 0;
  bool stopped() const { return stop().stop_requested(); }
  // From 0 to 1. Kept in memory and written about once a second.
  virtual void progress(double fraction, std::string_view stage, std::string_view message) = 0;
  virtual void log(std::string_view line) = 0;
  // A file that the attempt made; kept with the job when it succeeds. One of the same name is
  // replaced.
  virtual void attach(JobFile file) = 0;
};

// Who may ask for a job of the kind.
enum class Start : std::uint8_t {
  byName,   // POST /jobs and schedules name the kind
  byRoute,  // an API of its own makes it
};

struct Kind {
  std::string_view name;
  std::string_view doc;  // one sentence
  Start start = Start::byName;
  int attemptsMax = 3;
  std::chrono::milliseconds deadline{std::chrono::hours(1)};  // of one attempt
  // Whether a tenant's input is acceptable: invalid_argument or unprocessable, with pointers. Must
  // not wait. None: any.
  std::function<Result<void>(std::string_view tenant, std::string_view input)> check = {};
  // The result as JSON. Tried again after these errors: internal, unavailable, aborted,
  // deadline_exceeded, resource_exhausted, insufficient_storage. Other errors end the job.
  std::function<Result<std::string>(Context& context)> run = {};
};

// Of a job's input: a page of jobs shows up to 200 of them. What is longer is a file.
inline constexpr std::size_t kInputBytes = std::size_t{64} * 1024;

// invalid_argument: more than kInputBytes. Else what the kind's check says, about /input.
Result<void> checkInput(const Kind& kind, std::string_view tenant, std::string_view input);

// Whether a job that failed like this is worth another attempt.
bool isWorthRetrying(ErrorCode code);

// Filled at start, then read by any thread.
class Kinds {
 public:
  void add(Kind kind) { kinds_.insert_or_assign(kind.name, std::move(kind)); }
  const Kind* find(std::string_view name) const;  // nullptr: there is none
  std::vector<const Kind*> all() const;           // by name
  // ",a,b,", to be searched by the database.
  std::string names() const;

 private:
  std::map<std::string_view, Kind> kinds_;
};

}  // namespace corbel::jobs
