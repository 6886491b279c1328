// How attempts end, and who is told. Private to the module.
#pragma once
#include <chrono>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "events/events.h"
#include "jobs/job_store.h"
#include "jobs/kinds.h"
#include "store/store.h"

namespace corbel::jobs {

// A job that failed waits a random time below first * 2^attempts, at most `longest`, before it is
// tried again ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
struct Backoff {
  std::chrono::milliseconds first{5'000};
  std::chrono::milliseconds longest{std::chrono::minutes(10)};
};
std::chrono::milliseconds waitBefore(int attempt, const Backoff& backoff, Random& random);

// The event that a job has ended. Errors of the outbox pass through.
Result<void> tellEnd(const events::Outbox* outbox, store::Transaction& tx, const Job& job,
                     Status status, std::string_view errorCode);

// Ends an attempt and tells of a job that has ended with it. false: the lease was lost.
Result<bool> settle(const events::Outbox* outbox, store::Transaction& tx, const Job& job,
                    std::string_view token, const rows::Ending& ending);

// What becomes of a job whose attempt failed.
rows::Ending endingOf(const Job& job, const Error& error, Timestamp now, const Backoff& backoff,
                      Random& random);

// Takes back up to `limit` jobs whose workers are gone; how many.
Result<int> takeBackLost(const events::Outbox* outbox, store::Transaction& tx, Timestamp now,
                         const Backoff& backoff, Random& random, int limit);

}  // namespace corbel::jobs
