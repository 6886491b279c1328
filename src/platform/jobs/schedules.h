// Jobs that begin by the clock. A schedule makes one job for each time it is due, however many
// processes look after it: the move to the next time and the job are one unit of work.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace corbel::jobs {

inline constexpr int kSchedulesOfTenant = 200;

struct Schedule {
  std::string id;
  std::string tenant;
  std::string name;  // unique in the tenant
  std::string kind;
  std::string input;
  std::string cron;
  std::chrono::milliseconds grace{0};
  bool paused = false;
  Timestamp nextRunAt;
  std::optional<Timestamp> lastRunAt = {};
  std::optional<std::string> lastJobId = {};
  std::optional<Timestamp> lastSkippedAt = {};
  std::optional<std::string> lastSkippedReason = {};
  int revision = 1;
  std::string createdBy;
  Timestamp createdAt;
};

struct NewSchedule {
  std::string name = {};
  std::string kind = {};
  std::string input = "{}";
  std::string cron = {};
  // How late a run may begin. One that is later, because nobody was there, is left out.
  std::chrono::milliseconds grace{std::chrono::minutes(5)};
  bool paused = false;
};

// Thread-safe; every function waits for the store. A schedule is named by its id.
class Schedules {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Queue& queue;
    const Kinds& kinds;
    IdSource& ids;
  };
  explicit Schedules(Parts parts) : parts_(parts) {}

  // invalid_argument: no cron expression, no kind that schedules may name, or an input that the
  // kind refuses. already_exists: the name. resource_exhausted: kSchedulesOfTenant.
  Result<Schedule> create(std::string_view tenant, const NewSchedule& schedule, std::string_view by,
                          Deadline deadline) const;
  Result<Schedule> get(std::string_view tenant, std::string_view id, Deadline deadline) const;
  // By name.
  Result<std::vector<Schedule>> list(std::string_view tenant, Deadline deadline) const;
  struct Change {
    std::optional<std::string> cron = {};
    std::optional<std::string> input = {};
    std::optional<bool> paused = {};
    std::optional<std::chrono::milliseconds> grace = {};
  };
  // The next run is computed anew. aborted: somebody else changed it in between.
  Result<Schedule> change(std::string_view tenant, std::string_view id, const Change& change,
                          Deadline deadline) const;
  Result<void> remove(std::string_view tenant, std::string_view id, Deadline deadline) const;

  // Makes the jobs of all schedules that are due. Of several times that were missed within the
  // grace only the last becomes a job. A run is left out, with the reason, when the job of the run
  // before has not ended, or the queue is full. A schedule whose expression cannot be read is
  // paused. Of errors the first comes back, after all were tried.
  Result<int> fireDue(Deadline deadline) const;

 private:
  Result<void> check(std::string_view tenant, std::string_view kind, std::string_view input) const;
  Result<bool> fire(store::Transaction& tx, Schedule schedule, Timestamp now) const;
  static Result<bool> pause(store::Transaction& tx, Schedule schedule, Timestamp now,
                            const Error& reason);
  Result<bool> jobOpen(store::Transaction& tx, const Schedule& schedule) const;

  const Parts parts_;
};

}  // namespace corbel::jobs
