// Work that outlives the request that asked for it: a durable queue in the database.
//
// Promise: a job that was accepted is run until it succeeds, fails for good or is cancelled,
// whatever process or machine goes away meanwhile. At any time one worker at most may end it: it
// holds a lease, and a worker whose lease was given to another cannot end the job any more. A job
// may be begun more than once, so what it does must bear that.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "events/events.h"
#include "jobs/kinds.h"
#include "store/store.h"

namespace corbel::jobs {

// How many jobs may be queued or running.
struct Bounds {
  std::int64_t ofTenant = 10'000;
  std::int64_t ofAll = 100'000;
};

struct NewJob {
  std::string_view tenant;
  std::string_view kind;
  std::string input = "{}";  // JSON, as the kind takes it
  std::string_view createdBy;
  int priority = 0;                     // -100 to 100; higher goes first
  std::optional<Timestamp> runAt = {};  // not before; none: as soon as a worker is free
  std::vector<JobFile> files = {};      // what it works on
  // Of the schedule that makes it: one job at most for each of its times.
  std::string_view scheduleId = {};
  std::optional<Timestamp> scheduledFor = {};
};

struct JobQuery {
  int limit = 50;
  std::optional<Status> status = {};
  std::optional<std::string> kind = {};
  std::string before = {};  // the id after which the page starts; newest first
};

// Thread-safe; every function waits for the store. Owns the tables of jobs_migrations.h together
// with Workers and Schedules. not_found everywhere: it does not exist or belongs to another tenant.
class Queue {
 public:
  // Everything must outlive it; without an outbox nobody is told.
  struct Parts {
    store::Database& database;
    const Kinds& kinds;
    IdSource& ids;
    const Clock& clock;
    const events::Outbox* outbox = nullptr;
  };
  Queue(Parts parts, Bounds bounds) : parts_(parts), bounds_(bounds) {}

  // Part of the caller's unit of work, so that a job exists exactly when its cause does; the id.
  // Call wake() after the commit. invalid_argument: no such kind, or what its check says.
  // resource_exhausted, insufficient_storage: the tenant, or all together, have as many as the
  // bounds allow. already_exists: the schedule has made a job for that time.
  Result<std::string> add(store::Transaction& tx, const NewJob& job) const;
  // The same in a unit of its own.
  Result<Job> add(const NewJob& job, Deadline deadline) const;

  Result<Job> get(std::string_view tenant, std::string_view id, Deadline deadline) const;
  Result<std::vector<Job>> list(std::string_view tenant, const JobQuery& query,
                                Deadline deadline) const;
  // The last kLogLines, oldest first, of those that came after `revision`.
  Result<std::vector<LogLine>> log(std::string_view tenant, std::string_view id,
                                   std::int64_t revision, Deadline deadline) const;
  // A queued job is cancelled at once; a running one is told, and cancelled when it stops. One that
  // has ended stays as it is.
  Result<Job> cancel(std::string_view tenant, std::string_view id, Deadline deadline) const;
  // A failed or cancelled job is queued again with all its attempts. unprocessable: it is neither.
  // Bounds as for add().
  Result<Job> retry(std::string_view tenant, std::string_view id, Deadline deadline) const;
  // Of all files of the tenant's jobs.
  Result<std::int64_t> storedBytes(std::string_view tenant, Deadline deadline) const;
  // Whether a job has a file with this content.
  static Result<bool> isReferenced(store::Reader& reader, std::string_view sha256);

  // Called when there may be something to run, and when a job was changed by this process; neither
  // may block. Set before the first use.
  void onWork(std::function<void()> told) { onWork_ = std::move(told); }
  void onChange(std::function<void()> told) { onChange_ = std::move(told); }
  void wake() const {
    if (onWork_) onWork_();
    tellChanged();
  }
  void tellChanged() const {
    if (onChange_) onChange_();
  }

 private:
  Result<std::string> make(store::Transaction& tx, const NewJob& job) const;
  Result<void> checkBounds(store::Reader& reader, std::string_view tenant) const;
  template <class Change>
  Result<Job> change(std::string_view tenant, std::string_view id, Deadline deadline,
                     Change change) const;

  const Parts parts_;
  const Bounds bounds_;
  std::function<void()> onWork_;
  std::function<void()> onChange_;
};

}  // namespace corbel::jobs
