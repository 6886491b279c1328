// Jobs: the queue, who works on it, what kinds there are, and their API.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/random.h"
#include "config/settings.h"
#include "custody/custody.h"
#include "events/events.h"
#include "exec/pool.h"
#include "http/route.h"
#include "jobs/schedules.h"
#include "jobs/workers.h"
#include "models/intake.h"
#include "models/registry.h"
#include "models/serving.h"
#include "native/job_feed.h"
#include "native/jobs_api.h"
#include "native/prediction_jobs_api.h"
#include "native/schedules_api.h"
#include "objects/objects.h"
#include "resilience/memory_guard.h"
#include "store/store.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class JobsPart {
 public:
  // Everything must outlive it.
  struct Parts {
    const config::JobSettings& settings;
    store::Database& database;
    const events::Outbox& outbox;
    IdSource& ids;
    Random& random;
    const Clock& clock;
    metrics::Metrics& metrics;
    models::Registry& registry;
    const custody::Custody& custody;
    const identity::Directory& directory;
    models::ArtifactIntake::Inspect inspect;
    models::Serving& serving;
    objects::ObjectStore& objects;
    exec::Pool& uploads;
    const resilience::MemoryGuard& memory;   // where it is short, no job is begun
    std::vector<jobs::Kind> moreKinds = {};  // of other parts
  };
  explicit JobsPart(const Parts& parts);

  std::vector<http::Route> mount();
  static std::vector<http::Route> describe();

  const jobs::Queue& queue() const { return queue_; }

  // From now on jobs are run.
  void start();
  // Tells running jobs to stop, and ends the streams of those who follow them. Never waits for a
  // job.
  void beginStop();
  // Waits for the jobs that run.
  void stop(Deadline deadline);
  // No thread of ours is left afterwards.
  void end();

 private:
  jobs::WorkerOptions workerOptions() const;

  const Parts parts_;
  jobs::Kinds kinds_;
  jobs::Queue queue_;
  jobs::Schedules schedules_;
  native::JobFeed feed_;
  native::JobsApi jobsApi_;
  native::SchedulesApi schedulesApi_;
  native::PredictionJobsApi predictionJobsApi_;
  std::unique_ptr<jobs::Workers> workers_;
  std::atomic<jobs::Workers*> working_ = nullptr;  // for threads that may be quicker than start()
  std::vector<metrics::Observation> observations_;
};

}  // namespace corbel::app
