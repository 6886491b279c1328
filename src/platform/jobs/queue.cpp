#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "jobs/job_endings.h"
#include "jobs/job_store.h"
#include "jobs/jobs.h"

namespace corbel::jobs {
namespace {

constexpr int kPriorityMax = 100;

std::unexpected<Error> noSuchJob(std::string_view id) {
  return fail(ErrorCode::notFound, fmt::format("There is no job '{}'.", id));
}

Result<void> checkPriority(int priority) {
  if (priority >= -kPriorityMax && priority <= kPriorityMax) return {};
  return failField("/priority", fmt::format("must be from -{0} to {0}", kPriorityMax));
}

Result<const Kind*> kindOf(const Kinds& kinds, const NewJob& job) {
  const Kind* kind = kinds.find(job.kind);
  if (kind == nullptr) {
    return failField(
        "/kind",
        fmt::format("there is no kind of job '{}'; GET /api/v1/ai/job-kinds lists them", job.kind));
  }
  CORBEL_CHECK(checkInput(*kind, job.tenant, job.input));
  return kind;
}

}  // namespace

Result<void> Queue::checkBounds(store::Reader& reader, std::string_view tenant) const {
  CORBEL_TRY(const auto own, rows::countOpen(reader, tenant, bounds_.ofTenant));
  if (own >= bounds_.ofTenant) {
    return fail(ErrorCode::resourceExhausted,
                fmt::format("Your tenant has {} jobs that have not ended, which is the most. Wait "
                            "for some to end, or cancel them.",
                            own));
  }
  CORBEL_TRY(const auto all, rows::countAllOpen(reader, bounds_.ofAll));
  if (all < bounds_.ofAll) return {};
  return fail(ErrorCode::insufficientStorage,
              fmt::format("The queue has {} jobs that have not ended, which is the most. Try again "
                          "when some have.",
                          all));
}

Result<std::string> Queue::add(store::Transaction& tx, const NewJob& job) const {
  CORBEL_CHECK(checkBounds(tx, job.tenant));
  return make(tx, job);
}

Result<std::string> Queue::make(store::Transaction& tx, const NewJob& job) const {
  CORBEL_CHECK(checkPriority(job.priority));
  CORBEL_TRY(const Kind* kind, kindOf(parts_.kinds, job));
  CORBEL_TRY(const Timestamp now, tx.now());
  Job made;
  made.id = parts_.ids.next();
  made.tenant = job.tenant;
  made.kind = job.kind;
  made.priority = job.priority;
  made.runAt = std::max(job.runAt.value_or(now), now);
  made.input = job.input;
  made.attemptsMax = kind->attemptsMax;
  made.createdBy = job.createdBy;
  made.createdAt = now;
  made.files = job.files;
  if (!job.scheduleId.empty()) made.scheduleId = std::string(job.scheduleId);
  made.scheduledFor = job.scheduledFor;
  CORBEL_CHECK(rows::insert(tx, made));
  return made.id;
}

// The bounds are looked at before: in the same transaction, jobs that are added at the same time
// would be conflicts on PostgreSQL. So many more than allowed may get in as are added at once.
Result<Job> Queue::add(const NewJob& job, Deadline deadline) const {
  CORBEL_CHECK(parts_.database.read(
      [&](store::Reader& reader) { return checkBounds(reader, job.tenant); }, deadline));
  CORBEL_TRY(auto made, parts_.database.write(
                            [&](store::Transaction& tx) -> Result<std::optional<Job>> {
                              CORBEL_TRY(const std::string id, make(tx, job));
                              return rows::find(tx, job.tenant, id);
                            },
                            deadline));
  if (!made) return fail(ErrorCode::internal, "The job was not stored.");
  wake();
  return *std::move(made);
}

Result<Job> Queue::get(std::string_view tenant, std::string_view id, Deadline deadline) const {
  CORBEL_TRY(auto found,
             parts_.database.read(
                 [&](store::Reader& reader) { return rows::find(reader, tenant, id); }, deadline));
  if (!found) return noSuchJob(id);
  return *std::move(found);
}

Result<std::vector<Job>> Queue::list(std::string_view tenant, const JobQuery& query,
                                     Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return rows::list(reader, tenant, query); }, deadline);
}

Result<std::vector<LogLine>> Queue::log(std::string_view tenant, std::string_view id,
                                        std::int64_t revision, Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) -> Result<std::vector<LogLine>> {
        CORBEL_TRY(const auto found, rows::find(reader, tenant, id));
        if (!found) return noSuchJob(id);
        return rows::log(reader, id, revision);
      },
      deadline);
}

// `change` moves the job that was found.
template <class Change>
Result<Job> Queue::change(std::string_view tenant, std::string_view id, Deadline deadline,
                          Change change) const {
  CORBEL_TRY(auto changed, parts_.database.write(
                               [&](store::Transaction& tx) -> Result<std::optional<Job>> {
                                 CORBEL_TRY(const auto found, rows::find(tx, tenant, id));
                                 if (!found) return noSuchJob(id);
                                 CORBEL_CHECK(change(tx, *found));
                                 return rows::find(tx, tenant, id);
                               },
                               deadline));
  if (!changed) return noSuchJob(id);
  wake();
  if (parts_.outbox != nullptr) parts_.outbox->wake();
  return *std::move(changed);
}

Result<Job> Queue::cancel(std::string_view tenant, std::string_view id, Deadline deadline) const {
  return change(tenant, id, deadline, [&](store::Transaction& tx, const Job& job) -> Result<void> {
    if (hasEnded(job.status)) return {};
    CORBEL_TRY(const Timestamp now, tx.now());
    CORBEL_TRY(const bool cancelled, rows::cancelQueued(tx, id, now));
    if (cancelled) return tellEnd(parts_.outbox, tx, job, Status::cancelled, {});
    CORBEL_CHECK(rows::requestCancel(tx, id));
    return {};
  });
}

Result<Job> Queue::retry(std::string_view tenant, std::string_view id, Deadline deadline) const {
  return change(tenant, id, deadline, [&](store::Transaction& tx, const Job& job) -> Result<void> {
    if (job.status != Status::failed && job.status != Status::cancelled) {
      return fail(ErrorCode::unprocessable,
                  fmt::format("Only a failed or cancelled job can be tried again; this one is {}.",
                              name(job.status)));
    }
    CORBEL_CHECK(checkBounds(tx, tenant));
    CORBEL_TRY(const Timestamp now, tx.now());
    CORBEL_CHECK(rows::requeue(tx, id, now));
    return {};
  });
}

Result<std::int64_t> Queue::storedBytes(std::string_view tenant, Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return rows::storedBytes(reader, tenant); }, deadline);
}

Result<bool> Queue::isReferenced(store::Reader& reader, std::string_view sha256) {
  return rows::isReferenced(reader, sha256);
}

}  // namespace corbel::jobs
