#include "jobs/job_store.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace corbel::jobs::rows {
namespace {

constexpr std::int64_t kAnyPriority = 1'000'000;  // above every priority

#define JOB_COLUMNS                                                                            \
  "id, tenant_id, kind, status, priority, run_at, input, result, error_code, error_message, "  \
  "progress, stage, message, attempts, attempts_max, cancel_requested, revision, created_by, " \
  "created_at, started_at, finished_at, schedule_id, scheduled_for"

Job jobOf(const store::Row& row) {
  Job job;
  job.id = row.string(0);
  job.tenant = row.string(1);
  job.kind = row.string(2);
  job.status = parseStatus(row.text(3)).value_or(Status::failed);
  job.priority = row.integer<int>(4);
  job.runAt = row.time(5);
  job.input = row.string(6);
  job.result = row.optionalString(7);
  job.errorCode = row.string(8);
  job.errorMessage = row.string(9);
  job.progress = row.real(10);
  job.stage = row.string(11);
  job.message = row.string(12);
  job.attempts = row.integer<int>(13);
  job.attemptsMax = row.integer<int>(14);
  job.cancelRequested = row.boolean(15);
  job.revision = row.integer(16);
  job.createdBy = row.string(17);
  job.createdAt = row.time(18);
  job.startedAt = row.optionalTime(19);
  job.finishedAt = row.optionalTime(20);
  job.scheduleId = row.optionalString(21);
  job.scheduledFor = row.optionalTime(22);
  return job;
}

JobFile fileOf(const store::Row& row) {
  return {.name = row.string(0),
          .sha256 = row.string(1),
          .sizeBytes = row.integer(2),
          .contentType = row.string(3)};
}

Result<bool> any(Result<std::int64_t> changed) {
  if (!changed) return std::unexpected(std::move(changed).error());
  return *changed > 0;
}

// Urgent first, then the oldest.
bool goesBefore(const Job& a, const Job& b) {
  return std::tuple(-a.priority, a.runAt, std::string_view(a.id)) <
         std::tuple(-b.priority, b.runAt, std::string_view(b.id));
}

}  // namespace

Result<void> insert(store::Transaction& tx, const Job& job) {
  CORBEL_CHECK(
      tx.execute("INSERT INTO jobs (" JOB_COLUMNS
                 ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 job.id, job.tenant, job.kind, name(job.status), job.priority, job.runAt, job.input,
                 job.result, job.errorCode, job.errorMessage, job.progress, job.stage, job.message,
                 job.attempts, job.attemptsMax, job.cancelRequested, job.revision, job.createdBy,
                 job.createdAt, job.startedAt, job.finishedAt, job.scheduleId, job.scheduledFor));
  for (const JobFile& file : job.files) CORBEL_CHECK(saveFile(tx, job.id, file));
  return {};
}

Result<std::optional<Job>> find(store::Reader& reader, std::string_view tenant,
                                std::string_view id) {
  CORBEL_TRY(
      auto found,
      reader.query("SELECT " JOB_COLUMNS " FROM jobs WHERE id = ? AND tenant_id = ?", id, tenant)
          .one(jobOf));
  if (found) {
    CORBEL_TRY(found->files, files(reader, id));
  }
  return found;
}

Result<std::vector<Job>> list(store::Reader& reader, std::string_view tenant,
                              const JobQuery& query) {
  const auto status = query.status ? std::optional(name(*query.status)) : std::nullopt;
  const std::string before = query.before.empty() ? "~" : query.before;  // behind every id
  CORBEL_TRY(auto found,
             reader
                 .query("SELECT " JOB_COLUMNS
                        " FROM jobs WHERE tenant_id = ? AND id < ? AND (? IS NULL OR status = ?) "
                        "AND (? IS NULL OR kind = ?) ORDER BY id DESC LIMIT ?",
                        tenant, before, status, status, query.kind, query.kind, query.limit)
                 .all(jobOf));
  for (Job& job : found) {
    CORBEL_TRY(job.files, files(reader, job.id));
  }
  return found;
}

Result<std::vector<LogLine>> log(store::Reader& reader, std::string_view id,
                                 std::int64_t afterRevision) {
  return reader
      .query(
          "SELECT revision, at, line FROM job_log WHERE job_id = ? AND revision > ? ORDER BY "
          "position LIMIT ?",
          id, afterRevision, kLogLines)
      .all([](const store::Row& row) {
        return LogLine{row.integer(0), row.time(1), row.string(2)};
      });
}

Result<std::int64_t> countOpen(store::Reader& reader, std::string_view tenant, std::int64_t most) {
  CORBEL_TRY(const auto count,
             reader
                 .query("SELECT count(*) FROM (SELECT 1 FROM jobs WHERE tenant_id = ? AND "
                        "finished_at IS NULL LIMIT ?) AS open",
                        tenant, most)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return count.value_or(0);
}

Result<std::int64_t> countAllOpen(store::Reader& reader, std::int64_t most) {
  CORBEL_TRY(const auto count,
             reader
                 .query("SELECT count(*) FROM (SELECT 1 FROM jobs WHERE finished_at IS NULL LIMIT "
                        "?) AS open",
                        most)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return count.value_or(0);
}

Result<bool> isWorkDue(store::Reader& reader, std::string_view kinds, Timestamp now) {
  CORBEL_TRY(const auto ready,
             reader
                 .query({"SELECT 1 FROM jobs WHERE status = 'queued' AND run_at <= ? AND instr(?, "
                         "',' || kind || ',') > 0 LIMIT 1",
                         "SELECT 1 FROM jobs WHERE status = 'queued' AND run_at <= ? AND strpos(?, "
                         "',' || kind || ',') > 0 LIMIT 1"},
                        now, kinds)
                 .one([](const store::Row& row) { return row.integer(0); }));
  if (ready) return true;
  CORBEL_TRY(
      const auto abandoned,
      reader.query("SELECT 1 FROM jobs WHERE status = 'running' AND lease_until < ? LIMIT 1", now)
          .one([](const store::Row& row) { return row.integer(0); }));
  return abandoned.has_value();
}

namespace {

// The highest below `priority` of which a job is queued.
Result<std::optional<std::int64_t>> priorityBelow(store::Transaction& tx, std::int64_t priority) {
  CORBEL_TRY(
      const auto found,
      tx.query("SELECT max(priority) FROM jobs WHERE status = 'queued' AND priority < ?", priority)
          .one([](const store::Row& row) { return row.optionalInteger(0); }));
  return found.value_or(std::nullopt);
}

// On PostgreSQL other processes claim at the same time: what they look at is passed over.
Result<std::vector<Job>> claimOf(store::Transaction& tx, const Claim& claim, std::int64_t priority,
                                 int limit) {
#define CLAIM(picked, contains, skip)                                                            \
  "WITH picked AS " picked                                                                       \
  " (SELECT id AS picked_id FROM jobs WHERE status = 'queued' AND priority = ? AND "             \
  "run_at <= ? AND " contains                                                                    \
  "(?, ',' || kind || ',') > 0 ORDER BY run_at, id "                                             \
  "LIMIT ? " skip                                                                                \
  ") UPDATE jobs SET status = 'running', lease_token = ?, lease_until = ?, "                     \
  "attempts = attempts + 1, revision = revision + 1, started_at = COALESCE(started_at, ?) FROM " \
  "picked WHERE id = picked_id RETURNING " JOB_COLUMNS
  return tx
      .query({CLAIM("", "instr", ""), CLAIM("MATERIALIZED", "strpos", "FOR UPDATE SKIP LOCKED")},
             priority, claim.now, claim.kinds, limit, claim.token, claim.until, claim.now)
      .all(jobOf);
#undef CLAIM
}

}  // namespace

// Priority by priority, so that the index gives the order and nothing is sorted.
Result<std::vector<Job>> claim(store::Transaction& tx, const Claim& claim) {
  std::vector<Job> claimed;
  std::int64_t priority = kAnyPriority;
  while (std::ssize(claimed) < claim.limit) {
    CORBEL_TRY(const auto next, priorityBelow(tx, priority));
    if (!next) break;
    priority = *next;
    const int free = claim.limit - static_cast<int>(claimed.size());
    CORBEL_TRY(auto more, claimOf(tx, claim, priority, free));
    std::ranges::move(more, std::back_inserter(claimed));
  }
  std::ranges::sort(claimed, goesBefore);
  for (Job& job : claimed) {
    CORBEL_TRY(job.files, files(tx, job.id));
  }
  return claimed;
}

Result<std::optional<Renewed>> renew(store::Transaction& tx, const Lease& lease, Timestamp until,
                                     const Report& report) {
  return tx
      .query(
          "UPDATE jobs SET lease_until = ?, progress = ?, stage = ?, message = ?, revision = "
          "revision + ? WHERE id = ? AND lease_token = ? AND status = 'running' RETURNING "
          "cancel_requested, revision",
          until, report.progress, report.stage, report.message, report.changed ? 1 : 0, lease.job,
          lease.token)
      .one([](const store::Row& row) { return Renewed{row.boolean(0), row.integer(1)}; });
}

Result<bool> end(store::Transaction& tx, const Lease& lease, const Ending& ending) {
  const bool again = ending.status == Status::queued;
  const auto finishedAt = again ? std::nullopt : std::optional(ending.now);
  const Timestamp runAt = again ? ending.runAt : ending.now;
  const int uncounted = ending.countsAttempt ? 0 : 1;
  return any(tx.change(
      "UPDATE jobs SET status = ?, result = ?, error_code = ?, error_message = ?, finished_at = ?, "
      "run_at = ?, attempts = attempts - ?, lease_token = NULL, lease_until = NULL, progress = "
      "CASE WHEN ? THEN 1 ELSE progress END, revision = revision + 1 WHERE id = ? AND lease_token "
      "= ? AND status = 'running'",
      name(ending.status), ending.result, ending.errorCode, ending.errorMessage, finishedAt, runAt,
      uncounted, ending.status == Status::succeeded, lease.job, lease.token));
}

Result<std::vector<Lost>> lost(store::Transaction& tx, Timestamp now, int limit) {
  return tx
      .query({"SELECT " JOB_COLUMNS
              ", lease_token FROM jobs WHERE status = 'running' AND lease_until < ? ORDER BY "
              "lease_until LIMIT ?",
              "SELECT " JOB_COLUMNS
              ", lease_token FROM jobs WHERE status = 'running' AND lease_until < ? ORDER BY "
              "lease_until LIMIT ? FOR UPDATE SKIP LOCKED"},
             now, limit)
      .all([](const store::Row& row) { return Lost{jobOf(row), row.string(23)}; });
}

Result<bool> cancelQueued(store::Transaction& tx, std::string_view id, Timestamp now) {
  return any(
      tx.change("UPDATE jobs SET status = 'cancelled', finished_at = ?, cancel_requested = ?, "
                "revision = revision + 1 WHERE id = ? AND status = 'queued'",
                now, true, id));
}

Result<bool> requestCancel(store::Transaction& tx, std::string_view id) {
  return any(
      tx.change("UPDATE jobs SET cancel_requested = ?, revision = revision + 1 WHERE id = ? AND "
                "status = 'running'",
                true, id));
}

Result<bool> requeue(store::Transaction& tx, std::string_view id, Timestamp now) {
  return any(tx.change(
      "UPDATE jobs SET status = 'queued', run_at = ?, attempts = 0, cancel_requested = ?, "
      "error_code = '', error_message = '', finished_at = NULL, progress = 0, stage = '', message "
      "= '', revision = revision + 1 WHERE id = ? AND status IN ('failed', 'cancelled')",
      now, false, id));
}

Result<void> addLog(store::Transaction& tx, std::string_view id,
                    const std::vector<LogLine>& lines) {
  if (lines.empty()) return {};
  CORBEL_TRY(const auto last,
             tx.query("SELECT COALESCE(MAX(position), 0) FROM job_log WHERE job_id = ?", id)
                 .one([](const store::Row& row) { return row.integer(0); }));
  std::int64_t position = last.value_or(0);
  for (const LogLine& line : lines) {
    CORBEL_CHECK(tx.execute(
        "INSERT INTO job_log (job_id, position, revision, at, line) VALUES (?, ?, ?, ?, ?)", id,
        ++position, line.revision, line.at, line.text));
  }
  return tx.execute("DELETE FROM job_log WHERE job_id = ? AND position <= ?", id,
                    position - kLogLines);
}

Result<void> saveFile(store::Transaction& tx, std::string_view id, const JobFile& file) {
  return tx.execute(
      "INSERT INTO job_files (job_id, name, sha256, size_bytes, content_type) VALUES (?, ?, ?, ?, "
      "?) ON CONFLICT (job_id, name) DO UPDATE SET sha256 = excluded.sha256, size_bytes = "
      "excluded.size_bytes, content_type = excluded.content_type",
      id, file.name, file.sha256, file.sizeBytes, file.contentType);
}

Result<std::vector<JobFile>> files(store::Reader& reader, std::string_view id) {
  return reader
      .query(
          "SELECT name, sha256, size_bytes, content_type FROM job_files WHERE job_id = ? ORDER "
          "BY name",
          id)
      .all(fileOf);
}

Result<std::int64_t> storedBytes(store::Reader& reader, std::string_view tenant) {
  CORBEL_TRY(const auto bytes,
             reader
                 .query("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM job_files JOIN "
                        "jobs ON id = job_id WHERE tenant_id = ?",
                        tenant)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return bytes.value_or(0);
}

Result<bool> isReferenced(store::Reader& reader, std::string_view sha256) {
  CORBEL_TRY(const auto found,
             reader.query("SELECT 1 FROM job_files WHERE sha256 = ? LIMIT 1", sha256)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return found.has_value();
}

Result<std::vector<std::string>> finishedBefore(store::Reader& reader, Timestamp time, int limit) {
  return reader
      .query("SELECT id FROM jobs WHERE finished_at < ? ORDER BY finished_at LIMIT ?", time, limit)
      .all([](const store::Row& row) { return row.string(0); });
}

Result<bool> remove(store::Transaction& tx, std::string_view id) {
  return any(tx.change("DELETE FROM jobs WHERE id = ? AND finished_at IS NOT NULL", id));
}

}  // namespace corbel::jobs::rows
