// The rows of jobs, and the moves from state to state. Private to the module. Every move says from
// where it goes: a lease that was lost moves nothing.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace corbel::jobs::rows {

Result<void> insert(store::Transaction& tx, const Job& job);
// With its files.
Result<std::optional<Job>> find(store::Reader& reader, std::string_view tenant,
                                std::string_view id);
Result<std::vector<Job>> list(store::Reader& reader, std::string_view tenant,
                              const JobQuery& query);
Result<std::vector<LogLine>> log(store::Reader& reader, std::string_view id,
                                 std::int64_t afterRevision);
// Up to `most`, counting no further.
Result<std::int64_t> countOpen(store::Reader& reader, std::string_view tenant, std::int64_t most);
Result<std::int64_t> countAllOpen(store::Reader& reader, std::int64_t most);

// Whether claim() or takeLost() would find something.
Result<bool> isWorkDue(store::Reader& reader, std::string_view kinds, Timestamp now);

// A worker's right to one attempt.
struct Lease {
  std::string_view job;
  std::string_view token;  // unique to the claim
};

// Gives up to `limit` jobs of the kinds (",a,b,") that are due to who holds `token`, the most
// urgent first.
struct Claim {
  std::string_view kinds;
  std::string_view token;
  Timestamp now;
  Timestamp until;
  int limit = 1;
};
Result<std::vector<Job>> claim(store::Transaction& tx, const Claim& claim);

// What a worker tells of its job while it runs.
struct Report {
  double progress = 0;
  std::string_view stage;
  std::string_view message;
  bool changed = false;
};
struct Renewed {
  bool cancelRequested = false;
  std::int64_t revision = 0;
};
// Nothing: the lease is another's, or the job has ended.
Result<std::optional<Renewed>> renew(store::Transaction& tx, const Lease& lease, Timestamp until,
                                     const Report& report);

// How an attempt ends. false: the lease is another's; nothing was changed.
struct Ending {
  Status status = Status::succeeded;  // queued: to be tried again at runAt
  Timestamp now;
  std::optional<std::string_view> result = {};
  std::string_view errorCode = {};
  std::string_view errorMessage = {};
  Timestamp runAt = {};
  bool countsAttempt = true;
};
Result<bool> end(store::Transaction& tx, const Lease& lease, const Ending& ending);

// Jobs whose lease has run out, with its token; up to `limit`.
struct Lost {
  Job job;
  std::string token;
};
Result<std::vector<Lost>> lost(store::Transaction& tx, Timestamp now, int limit);

// Of a job that nobody runs. false: it is not queued any more.
Result<bool> cancelQueued(store::Transaction& tx, std::string_view id, Timestamp now);
Result<bool> requestCancel(store::Transaction& tx, std::string_view id);
// false: it is neither failed nor cancelled.
Result<bool> requeue(store::Transaction& tx, std::string_view id, Timestamp now);

Result<void> addLog(store::Transaction& tx, std::string_view id, const std::vector<LogLine>& lines);
Result<void> saveFile(store::Transaction& tx, std::string_view id, const JobFile& file);
Result<std::vector<JobFile>> files(store::Reader& reader, std::string_view id);
Result<std::int64_t> storedBytes(store::Reader& reader, std::string_view tenant);
Result<bool> isReferenced(store::Reader& reader, std::string_view sha256);

// That ended before `time`, oldest first.
Result<std::vector<std::string>> finishedBefore(store::Reader& reader, Timestamp time, int limit);
// false: it is not there, or was queued again.
Result<bool> remove(store::Transaction& tx, std::string_view id);

}  // namespace corbel::jobs::rows
