// Runs the queue's jobs in this process, on threads of its own.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "exec/pool.h"
#include "jobs/jobs.h"
#include "jobs/schedules.h"
#include "telemetry/metrics.h"

namespace corbel::jobs {

struct WorkerOptions {
  unsigned threads = 2;
  std::chrono::milliseconds lease{
      30'000};                             // a job whose worker was silent for so long is another's
  std::chrono::milliseconds round{1'000};  // between looks at the queue, and reports of progress
  std::chrono::milliseconds keep{std::chrono::hours(24 * 7)};  // what has ended
};

// One thread looks after leases, progress, endings and schedules; the jobs run on a pool. Several
// processes may work on one database: each job is given to one of them at a time.
class Workers {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Queue& queue;
    const Kinds& kinds;
    Schedules& schedules;
    const events::Outbox* outbox;
    IdSource& ids;
    Random& random;
    const Clock& clock;
    metrics::Metrics& metrics;
    // Told of every file of a job within the unit of work that removes the job; an error keeps it
    // for now.
    std::function<Result<void>(store::Transaction&, const JobFile&)> letGo = {};
    // Called now and then, after old jobs were removed.
    std::function<Result<void>(Deadline)> clean = {};
    // Asked in every round: false, and no job is begun; those that run go on. None: always.
    std::function<bool()> mayBegin = {};
  };
  Workers(Parts parts, WorkerOptions options);
  // As stop() with a deadline that has passed; then waits for the jobs that are running.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // There may be something to do. Thread-safe, never waits.
  void wake();
  // Begins nothing from now on, tells what runs to stop and gives it back to the queue, its attempt
  // not counted. false: some job was still running at the deadline; its lease will run out.
  bool stop(Deadline deadline);

  struct Stats {
    std::size_t running = 0;   // here
    std::int64_t waiting = 0;  // queued or running anywhere, a while ago
  };
  Stats stats() const;

 private:
  class Attempt;
  using Attempts = std::list<std::shared_ptr<Attempt>>;

  void look();
  void round();
  Attempts attempts() const;
  void settleEnded();
  bool settled(Attempt& attempt);
  void renew();
  void stopOverdue();
  void claim();
  void takeBack();
  void begin(Job job, const std::string& token);
  void run(const std::shared_ptr<Attempt>& attempt);
  void removeOld();
  void countOpen();
  Deadline patience() const;

  const Parts parts_;
  const WorkerOptions options_;
  const std::string kinds_;
  metrics::Labelled<metrics::Counter, 2> ended_;
  SteadyTime nextCleaning_;
  mutable Mutex mutex_;
  std::condition_variable changed_;
  Attempts attempts_ CORBEL_GUARDED_BY(mutex_);
  bool woken_ CORBEL_GUARDED_BY(mutex_) = false;
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  bool leaving_ CORBEL_GUARDED_BY(mutex_) = false;  // no job runs any more, whatever happens
  bool lookedLast_ CORBEL_GUARDED_BY(mutex_) = false;
  std::int64_t waiting_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<exec::Pool> pool_;
  std::thread thread_;
};

}  // namespace corbel::jobs
