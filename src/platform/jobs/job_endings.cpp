#include "jobs/job_endings.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace corbel::jobs {
namespace {

// Doubling further would pass any longest wait.
constexpr int kDoublingsMax = 20;

const events::EventType& eventOf(Status status) {
  if (status == Status::succeeded) return events::kJobSucceeded;
  return status == Status::cancelled ? events::kJobCancelled : events::kJobFailed;
}

const Error& workerLost() {
  static const Error kError{
      ErrorCode::unavailable, "The process that ran the job went away.", {}, {}};
  return kError;
}

}  // namespace

std::chrono::milliseconds waitBefore(int attempt, const Backoff& backoff, Random& random) {
  const auto doublings = std::clamp(attempt, 0, kDoublingsMax);
  const auto most = std::min(backoff.first * (std::int64_t{1} << doublings), backoff.longest);
  std::uint64_t any = 0;
  random.fill(std::as_writable_bytes(std::span(&any, 1)));
  return std::chrono::milliseconds(static_cast<std::int64_t>(
      any % static_cast<std::uint64_t>(std::max<std::int64_t>(most.count(), 1))));
}

Result<void> tellEnd(const events::Outbox* outbox, store::Transaction& tx, const Job& job,
                     Status status, std::string_view errorCode) {
  if (outbox == nullptr) return {};
  const auto code =
      errorCode.empty() ? events::DataMember{"code"} : events::DataMember{"code", errorCode};
  return outbox->append(tx, {.type = eventOf(status),
                             .tenant = job.tenant,
                             .subject = "jobs/" + job.id,
                             .partitionKey = job.id,
                             .data = events::toData({{"id", job.id},
                                                     {"kind", job.kind},
                                                     {"attempts", std::int64_t{job.attempts}},
                                                     code,
                                                     {"actor", job.createdBy}})});
}

Result<bool> settle(const events::Outbox* outbox, store::Transaction& tx, const Job& job,
                    std::string_view token, const rows::Ending& ending) {
  CORBEL_TRY(const bool held, rows::end(tx, {job.id, token}, ending));
  if (held && hasEnded(ending.status))
    CORBEL_CHECK(tellEnd(outbox, tx, job, ending.status, ending.errorCode));
  return held;
}

rows::Ending endingOf(const Job& job, const Error& error, Timestamp now, const Backoff& backoff,
                      Random& random) {
  const bool again = isWorthRetrying(error.code) && job.attempts < job.attemptsMax;
  return {.status = again ? Status::queued : Status::failed,
          .now = now,
          .errorCode = name(error.code),
          .errorMessage = error.message,
          .runAt = now + waitBefore(job.attempts, backoff, random)};
}

Result<int> takeBackLost(const events::Outbox* outbox, store::Transaction& tx, Timestamp now,
                         const Backoff& backoff, Random& random, int limit) {
  CORBEL_TRY(const auto lost, rows::lost(tx, now, limit));
  for (const auto& [job, token] : lost) {
    rows::Ending ending = endingOf(job, workerLost(), now, backoff, random);
    // Nothing failed yet that would be spared by waiting: the work was only interrupted.
    if (ending.status == Status::queued) ending.runAt = now;
    if (job.cancelRequested) ending = {.status = Status::cancelled, .now = now};
    CORBEL_CHECK(settle(outbox, tx, job, token, ending));
  }
  return static_cast<int>(lost.size());
}

}  // namespace corbel::jobs
