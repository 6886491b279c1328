#include "jobs/personal_jobs.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "crypto/encoding.h"
#include "jobs/job_store.h"

namespace corbel::jobs {
namespace {

using personal::Erased;
using personal::kAtOnce;
using personal::Name;
using personal::Person;
using personal::Record;
using personal::Thing;

// Three bytes are four letters, so that pieces of text follow each other as they are.
constexpr std::size_t kPieceBytes = std::size_t{48} * 1024;

Name nameOf(const store::Row& row) { return {row.string(0), row.string(1)}; }

std::string json(const Job& job, const std::vector<LogLine>& log) {
  Record record;
  record.text("id", job.id).text("kind", job.kind).text("status", name(job.status));
  record.json("input", job.input).json("result", job.result.value_or("null"));
  record.text("errorCode", job.errorCode).text("errorMessage", job.errorMessage);
  record.text("stage", job.stage).text("message", job.message);
  record.text("createdBy", job.createdBy).time("createdAt", job.createdAt);
  std::string lines = "[";
  for (const LogLine& line : log) {
    if (lines.size() > 1) lines += ',';
    appendJsonString(lines, line.text);
  }
  return record.json("log", lines + "]").finish();
}

class PersonalJobs {
 public:
  explicit PersonalJobs(PersonalJobsParts parts) : parts_(std::move(parts)) {}

  Result<void> show(const Person& person, const personal::Show& show, Deadline deadline) const {
    std::string after;
    while (true) {
      CORBEL_TRY(const auto ids, made(person, after, deadline));
      for (const std::string& id : ids) CORBEL_CHECK(showJob(person, id, show, deadline));
      if (ids.size() < std::size_t{kAtOnce}) return {};
      after = ids.back();
    }
  }

  Result<Erased> erase(const Person& person, Deadline deadline) const {
    CORBEL_CHECK(unname(person, deadline));
    CORBEL_TRY(const auto removable, idle(person, deadline));
    std::int64_t count = 0;
    for (const std::string& id : removable) {
      CORBEL_TRY(const bool removed, remove(id, deadline));
      count += removed ? 1 : 0;
    }
    if (count > 0) CORBEL_CHECK(parts_.sweep(deadline));
    CORBEL_TRY(const auto rest, made(person, "", deadline));
    for (const std::string& id : rest) CORBEL_CHECK(cancel(person, id, deadline));
    return Erased{count, !rest.empty()};
  }

  Result<std::vector<Name>> names(Deadline deadline) const {
    return parts_.database.read(
        [](store::Reader& reader) {
          return reader.query("SELECT DISTINCT tenant_id, created_by FROM jobs").all(nameOf);
        },
        deadline);
  }

 private:
  using Ids = Result<std::vector<std::string>>;
  static std::string idOf(const store::Row& row) { return row.string(0); }

  Ids made(const Person& person, std::string_view after, Deadline deadline) const {
    return parts_.database.read(
        [&](store::Reader& reader) {
          return reader
              .query(
                  "SELECT id FROM jobs WHERE tenant_id = ? AND id > ? AND created_by = ? AND "
                  "created_at <= ? ORDER BY id LIMIT ?",
                  person.tenant, after, person.principal, person.until, kAtOnce)
              .all(idOf);
        },
        deadline);
  }
  // Nobody works on them: ended, not begun, or given up by a worker that went away.
  Ids idle(const Person& person, Deadline deadline) const {
    return parts_.database.read(
        [&](store::Reader& reader) -> Ids {
          CORBEL_TRY(const Timestamp now, reader.now());
          return reader
              .query(
                  "SELECT id FROM jobs WHERE tenant_id = ? AND created_by = ? AND created_at <= "
                  "? AND (status <> 'running' OR lease_until < ?) LIMIT ?",
                  person.tenant, person.principal, person.until, now, kAtOnce)
              .all(idOf);
        },
        deadline);
  }

  Result<void> unname(const Person& person, Deadline deadline) const {
    return parts_.database.write(
        [&](store::Transaction& tx) {
          return tx.execute(
              "UPDATE jobs SET created_by = ? WHERE tenant_id = ? AND created_by = ? AND kind = ?",
              person.pseudonym, person.tenant, person.principal, parts_.keptKind);
        },
        deadline);
  }

  // False: somebody has begun to work on it.
  Result<bool> remove(const std::string& id, Deadline deadline) const {
    CORBEL_TRY(const auto count,
               parts_.database.write(
                   [&](store::Transaction& tx) -> Result<std::int64_t> {
                     CORBEL_TRY(const Timestamp now, tx.now());
                     CORBEL_TRY(const auto files, rows::files(tx, id));
                     for (const JobFile& file : files) CORBEL_CHECK(parts_.letGo(tx, file));
                     return tx.change(
                         "DELETE FROM jobs WHERE id = ? AND (status <> 'running' OR lease_until < "
                         "?)",
                         id, now);
                   },
                   deadline));
    if (count == 0) return false;
    return true;
  }

  Result<void> cancel(const Person& person, const std::string& id, Deadline deadline) const {
    const auto cancelled = parts_.queue.cancel(person.tenant, id, deadline);
    if (cancelled || cancelled.error().code == ErrorCode::notFound) return {};
    return std::unexpected(cancelled.error());
  }

  Result<void> showJob(const Person& person, const std::string& id, const personal::Show& show,
                       Deadline deadline) const {
    const auto job = parts_.queue.get(person.tenant, id, deadline);
    if (!job && job.error().code == ErrorCode::notFound) return {};  // removed meanwhile
    if (!job) return std::unexpected(job.error());
    CORBEL_TRY(const auto log, parts_.queue.log(person.tenant, id, 0, deadline));
    CORBEL_CHECK(show(json(*job, log)));
    for (const JobFile& file : job->files) CORBEL_CHECK(showFile(id, file, show, deadline));
    return {};
  }

  Result<void> showFile(const std::string& id, const JobFile& file, const personal::Show& show,
                        Deadline deadline) const {
    std::int64_t offset = 0;
    const auto take = [&](std::span<const std::byte> bytes) -> Result<void> {
      while (!bytes.empty()) {
        const auto piece = bytes.first(std::min(bytes.size(), kPieceBytes));
        Record record;
        record.text("job", id).text("file", file.name).text("sha256", file.sha256);
        record.number("offset", offset).text("base64", crypto::toBase64(piece));
        CORBEL_CHECK(show(record.finish()));
        offset += static_cast<std::int64_t>(piece.size());
        bytes = bytes.subspan(piece.size());
      }
      return {};
    };
    return parts_.readFile(file, deadline, take);
  }

  const PersonalJobsParts parts_;
};

Thing thingOfSchedule(const store::Row& row) {
  Record record;
  record.text("id", row.text(0)).text("name", row.text(1)).text("kind", row.text(2));
  record.json("input", row.text(3)).text("cron", row.text(4)).time("createdAt", row.time(5));
  return {row.string(0), record.finish()};
}

}  // namespace

personal::Place personalJobs(const PersonalJobsParts& parts) {
  const PersonalJobs jobs(parts);
  return {.name = "jobs",
          .doc =
              "Jobs with their input, result, log and files are removed; those that still run "
              "are cancelled before.",
          .tables = {"jobs", "job_log", "job_files"},
          .show = [jobs](const Person& person, const personal::Show& show,
                         Deadline deadline) { return jobs.show(person, show, deadline); },
          .erase = [jobs](const Person& person,
                          Deadline deadline) { return jobs.erase(person, deadline); },
          .names = [jobs](Deadline deadline) { return jobs.names(deadline); }};
}

personal::Place personalSchedules(store::Database& database) {
  const auto page = [&database](const Person& person, std::string_view after, Deadline deadline) {
    return database.read(
        [&](store::Reader& reader) {
          return reader
              .query(
                  "SELECT id, name, kind, input, cron, created_at FROM job_schedules WHERE "
                  "tenant_id = ? AND id > ? AND created_by = ? AND created_at <= ? ORDER BY id "
                  "LIMIT ?",
                  person.tenant, after, person.principal, person.until, kAtOnce)
              .all(thingOfSchedule);
        },
        deadline);
  };
  return {.name = "schedules",
          .doc = "Schedules are removed: their jobs would be made in the person's name.",
          .tables = {"job_schedules"},
          .show = [page](const Person& person, const personal::Show& show,
                         Deadline deadline) -> Result<void> {
            return personal::showPages(
                [&](std::string_view after) { return page(person, after, deadline); }, show);
          },
          .erase = [&database](const Person& person, Deadline deadline) -> Result<Erased> {
            CORBEL_TRY(
                const auto count,
                database.write(
                    [&](store::Transaction& tx) {
                      return tx.change(
                          "DELETE FROM job_schedules WHERE tenant_id = ? AND created_by = ? AND "
                          "created_at <= ?",
                          person.tenant, person.principal, person.until);
                    },
                    deadline));
            return Erased{count};
          },
          .names = [&database](Deadline deadline) -> Result<std::vector<Name>> {
            return database.read(
                [](store::Reader& reader) {
                  return reader.query("SELECT DISTINCT tenant_id, created_by FROM job_schedules")
                      .all(nameOf);
                },
                deadline);
          }};
}

}  // namespace corbel::jobs
