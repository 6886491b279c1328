#include "jobs/schedules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "jobs/cron.h"
#include "jobs/job_store.h"

namespace corbel::jobs {
namespace {

constexpr int kFiredAtOnce = 100;

#define SCHEDULE_COLUMNS                                                                 \
  "id, tenant_id, name, kind, input, cron, grace_ms, paused, next_run_at, last_run_at, " \
  "last_job_id, last_skipped_at, last_skipped_reason, revision, created_by, created_at"

Schedule scheduleOf(const store::Row& row) {
  Schedule schedule;
  schedule.id = row.string(0);
  schedule.tenant = row.string(1);
  schedule.name = row.string(2);
  schedule.kind = row.string(3);
  schedule.input = row.string(4);
  schedule.cron = row.string(5);
  schedule.grace = std::chrono::milliseconds(row.integer(6));
  schedule.paused = row.boolean(7);
  schedule.nextRunAt = row.time(8);
  schedule.lastRunAt = row.optionalTime(9);
  schedule.lastJobId = row.optionalString(10);
  schedule.lastSkippedAt = row.optionalTime(11);
  schedule.lastSkippedReason = row.optionalString(12);
  schedule.revision = row.integer<int>(13);
  schedule.createdBy = row.string(14);
  schedule.createdAt = row.time(15);
  return schedule;
}

Result<std::optional<Schedule>> find(store::Reader& reader, std::string_view tenant,
                                     std::string_view id) {
  return reader
      .query("SELECT " SCHEDULE_COLUMNS " FROM job_schedules WHERE id = ? AND tenant_id = ?", id,
             tenant)
      .one(scheduleOf);
}

Result<void> insert(store::Transaction& tx, const Schedule& schedule) {
  return tx.execute("INSERT INTO job_schedules (" SCHEDULE_COLUMNS
                    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    schedule.id, schedule.tenant, schedule.name, schedule.kind, schedule.input,
                    schedule.cron, std::int64_t{schedule.grace.count()}, schedule.paused,
                    schedule.nextRunAt, schedule.lastRunAt, schedule.lastJobId,
                    schedule.lastSkippedAt, schedule.lastSkippedReason, schedule.revision,
                    schedule.createdBy, schedule.createdAt);
}

// False: somebody else has changed it since it was read, or moved it on.
Result<bool> update(store::Transaction& tx, const Schedule& schedule, Timestamp wasDue) {
  CORBEL_TRY(const auto changed,
             tx.change("UPDATE job_schedules SET input = ?, cron = ?, grace_ms = ?, paused = ?, "
                       "next_run_at = ?, last_run_at = ?, last_job_id = ?, last_skipped_at = ?, "
                       "last_skipped_reason = ?, revision = ? WHERE id = ? AND next_run_at = ? AND "
                       "revision <= ?",
                       schedule.input, schedule.cron, std::int64_t{schedule.grace.count()},
                       schedule.paused, schedule.nextRunAt, schedule.lastRunAt, schedule.lastJobId,
                       schedule.lastSkippedAt, schedule.lastSkippedReason, schedule.revision,
                       schedule.id, wasDue, schedule.revision));
  return changed > 0;
}

std::unexpected<Error> noSuchSchedule(std::string_view id) {
  return fail(ErrorCode::notFound, fmt::format("There is no schedule '{}'.", id));
}

}  // namespace

Result<void> Schedules::check(std::string_view tenant, std::string_view kind,
                              std::string_view input) const {
  const Kind* known = parts_.kinds.find(kind);
  if (known == nullptr || known->start != Start::byName) {
    std::string names;
    for (const Kind* one : parts_.kinds.all()) {
      if (one->start != Start::byName) continue;
      names += names.empty() ? "" : ", ";
      names += one->name;
    }
    return failField("/kind", fmt::format("must be one of: {}; got \"{}\"", names, kind));
  }
  return checkInput(*known, tenant, input);
}

Result<Schedule> Schedules::create(std::string_view tenant, const NewSchedule& schedule,
                                   std::string_view by, Deadline deadline) const {
  CORBEL_TRY(const Cron cron, Cron::parse(schedule.cron));
  CORBEL_CHECK(check(tenant, schedule.kind, schedule.input));
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<Schedule> {
        CORBEL_TRY(const auto count,
                   tx.query("SELECT count(*) FROM job_schedules WHERE tenant_id = ?", tenant)
                       .one([](const store::Row& row) { return row.integer(0); }));
        if (count.value_or(0) >= kSchedulesOfTenant) {
          return fail(ErrorCode::resourceExhausted,
                      fmt::format("A tenant has {} schedules at the most.", kSchedulesOfTenant));
        }
        CORBEL_TRY(const Timestamp now, tx.now());
        Schedule made{.id = parts_.ids.next(),
                      .tenant = std::string(tenant),
                      .name = schedule.name,
                      .kind = schedule.kind,
                      .input = schedule.input,
                      .cron = schedule.cron,
                      .grace = schedule.grace,
                      .paused = schedule.paused,
                      .nextRunAt = cron.next(now),
                      .createdBy = std::string(by),
                      .createdAt = now};
        CORBEL_TRY(const auto taken,
                   tx.query("SELECT 1 FROM job_schedules WHERE tenant_id = ? AND name = ?", tenant,
                            schedule.name)
                       .one([](const store::Row& row) { return row.integer(0); }));
        if (taken) {
          return fail(ErrorCode::alreadyExists,
                      fmt::format("There is a schedule '{}' already.", schedule.name));
        }
        CORBEL_CHECK(insert(tx, made));
        return made;
      },
      deadline);
}

Result<Schedule> Schedules::get(std::string_view tenant, std::string_view id,
                                Deadline deadline) const {
  CORBEL_TRY(auto found,
             parts_.database.read([&](store::Reader& reader) { return find(reader, tenant, id); },
                                  deadline));
  if (!found) return noSuchSchedule(id);
  return *std::move(found);
}

Result<std::vector<Schedule>> Schedules::list(std::string_view tenant, Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) {
        return reader
            .query("SELECT " SCHEDULE_COLUMNS
                   " FROM job_schedules WHERE tenant_id = ? ORDER BY name LIMIT ?",
                   tenant, kSchedulesOfTenant)
            .all(scheduleOf);
      },
      deadline);
}

Result<Schedule> Schedules::change(std::string_view tenant, std::string_view id,
                                   const Change& change, Deadline deadline) const {
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<Schedule> {
        CORBEL_TRY(auto found, find(tx, tenant, id));
        if (!found) return noSuchSchedule(id);
        const Timestamp wasDue = found->nextRunAt;
        if (change.cron) found->cron = *change.cron;
        if (change.input) found->input = *change.input;
        if (change.paused) found->paused = *change.paused;
        if (change.grace) found->grace = *change.grace;
        CORBEL_TRY(const Cron cron, Cron::parse(found->cron));
        CORBEL_CHECK(check(tenant, found->kind, found->input));
        CORBEL_TRY(const Timestamp now, tx.now());
        found->nextRunAt = cron.next(now);
        ++found->revision;
        CORBEL_TRY(const bool changed, update(tx, *found, wasDue));
        if (!changed) return fail(ErrorCode::aborted, "The schedule was changed at the same time.");
        return *std::move(found);
      },
      deadline);
}

Result<void> Schedules::remove(std::string_view tenant, std::string_view id,
                               Deadline deadline) const {
  CORBEL_TRY(const auto removed,
             parts_.database.write(
                 [&](store::Transaction& tx) {
                   return tx.change("DELETE FROM job_schedules WHERE id = ? AND tenant_id = ?", id,
                                    tenant);
                 },
                 deadline));
  if (removed == 0) return noSuchSchedule(id);
  return {};
}

Result<bool> Schedules::jobOpen(store::Transaction& tx, const Schedule& schedule) const {
  if (!schedule.lastJobId) return false;
  CORBEL_TRY(const auto last, rows::find(tx, schedule.tenant, *schedule.lastJobId));
  return last && !hasEnded(last->status);
}

// One that another version of the program has stored.
Result<bool> Schedules::pause(store::Transaction& tx, Schedule schedule, Timestamp now,
                              const Error& reason) {
  schedule.paused = true;
  schedule.lastSkippedAt = now;
  schedule.lastSkippedReason = reason.message;
  CORBEL_CHECK(update(tx, schedule, schedule.nextRunAt));
  return false;
}

// True: a job was made.
Result<bool> Schedules::fire(store::Transaction& tx, Schedule schedule, Timestamp now) const {
  const Timestamp wasDue = schedule.nextRunAt;
  const auto parsed = Cron::parse(schedule.cron);
  if (!parsed) return pause(tx, std::move(schedule), now, parsed.error());
  const Cron& cron = *parsed;
  const Timestamp due = cron.lastUntil(now, wasDue);
  schedule.nextRunAt = cron.next(now);
  const auto skip = [&](std::string reason) -> Result<bool> {
    schedule.lastSkippedAt = due;
    schedule.lastSkippedReason = std::move(reason);
    CORBEL_CHECK(update(tx, schedule, wasDue));
    return false;
  };
  if (due < now - schedule.grace) return skip("Nobody was there to begin it in time.");
  CORBEL_TRY(const bool open, jobOpen(tx, schedule));
  if (open) return skip("The job of the run before had not ended.");
  auto made = parts_.queue.add(tx, {.tenant = schedule.tenant,
                                    .kind = schedule.kind,
                                    .input = schedule.input,
                                    .createdBy = schedule.createdBy,
                                    .scheduleId = schedule.id,
                                    .scheduledFor = due});
  if (!made && tx.failure()) return std::unexpected(made.error());
  if (!made) return skip(made.error().message);
  schedule.lastRunAt = due;
  schedule.lastJobId = *std::move(made);
  // Another process was quicker: its unit moved the schedule on, and this one is undone.
  CORBEL_TRY(const bool moved, update(tx, schedule, wasDue));
  if (!moved) return fail(ErrorCode::aborted, "Another process has begun this run.");
  return true;
}

Result<int> Schedules::fireDue(Deadline deadline) const {
  CORBEL_TRY(const auto due,
             parts_.database.read(
                 [](store::Reader& reader) -> Result<std::vector<Schedule>> {
                   CORBEL_TRY(const Timestamp now, reader.now());
                   return reader
                       .query("SELECT " SCHEDULE_COLUMNS
                              " FROM job_schedules WHERE NOT paused AND next_run_at <= ? ORDER BY "
                              "next_run_at LIMIT ?",
                              now, kFiredAtOnce)
                       .all(scheduleOf);
                 },
                 deadline));
  int fired = 0;
  Result<void> failure;
  for (const Schedule& schedule : due) {
    const auto made = parts_.database.write(
        [&](store::Transaction& tx) -> Result<bool> {
          CORBEL_TRY(auto fresh, find(tx, schedule.tenant, schedule.id));
          CORBEL_TRY(const Timestamp then, tx.now());
          if (!fresh || fresh->paused || fresh->nextRunAt > then) return false;
          return fire(tx, *std::move(fresh), then);
        },
        deadline);
    if (made && *made) ++fired;
    const bool isOthers = !made && (made.error().code == ErrorCode::aborted ||
                                    made.error().code == ErrorCode::alreadyExists);
    // One that cannot be begun keeps nobody from the others.
    if (!made && !isOthers && failure) failure = std::unexpected(made.error());
  }
  if (fired > 0) parts_.queue.wake();
  CORBEL_CHECK(std::move(failure));
  return fired;
}

}  // namespace corbel::jobs
