#include "jobs/jobs_migrations.h"

#include <array>

namespace corbel::jobs {
namespace {

// Indexes are partial: what has ended costs the search for work nothing.
constexpr std::string_view kJobsUp = R"(
CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  priority INTEGER NOT NULL,
  run_at BIGINT NOT NULL,
  input TEXT NOT NULL,
  result TEXT,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  progress REAL NOT NULL,
  stage TEXT NOT NULL,
  message TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL,
  cancel_requested BOOLEAN NOT NULL,
  revision BIGINT NOT NULL,
  lease_token TEXT,
  lease_until BIGINT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  finished_at BIGINT,
  schedule_id TEXT,
  scheduled_for BIGINT
);
CREATE INDEX jobs_ready ON jobs (priority, run_at, id) WHERE status = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE status = 'running';
CREATE INDEX jobs_open ON jobs (tenant_id) WHERE finished_at IS NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_tenant ON jobs (tenant_id, id);
CREATE UNIQUE INDEX jobs_schedule ON jobs (schedule_id, scheduled_for)
  WHERE schedule_id IS NOT NULL;
CREATE TABLE job_log (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  at BIGINT NOT NULL,
  line TEXT NOT NULL,
  PRIMARY KEY (job_id, position)
);
CREATE TABLE job_files (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  content_type TEXT NOT NULL,
  PRIMARY KEY (job_id, name)
);
CREATE INDEX job_files_sha256 ON job_files (sha256)
)";

constexpr std::string_view kJobsDown = R"(
DROP INDEX job_files_sha256;
DROP TABLE job_files;
DROP TABLE job_log;
DROP INDEX jobs_schedule;
DROP INDEX jobs_tenant;
DROP INDEX jobs_finished;
DROP INDEX jobs_open;
DROP INDEX jobs_leases;
DROP INDEX jobs_ready;
DROP TABLE jobs
)";

constexpr std::string_view kSchedulesUp = R"(
CREATE TABLE job_schedules (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  input TEXT NOT NULL,
  cron TEXT NOT NULL,
  grace_ms BIGINT NOT NULL,
  paused BOOLEAN NOT NULL,
  next_run_at BIGINT NOT NULL,
  last_run_at BIGINT,
  last_job_id TEXT,
  last_skipped_at BIGINT,
  last_skipped_reason TEXT,
  revision INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (tenant_id, name)
);
CREATE INDEX job_schedules_due ON job_schedules (next_run_at) WHERE NOT paused
)";

constexpr std::string_view kSchedulesDown = R"(
DROP INDEX job_schedules_due;
DROP TABLE job_schedules
)";

constexpr std::array kMigrations = {
    store::Migration{13, "jobs with their log and files", kJobsUp, kJobsDown},
    store::Migration{14, "schedules of jobs", kSchedulesUp, kSchedulesDown}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::jobs
