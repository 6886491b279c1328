#include "app/jobs_part.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "models/model_validation.h"
#include "native/batch_prediction.h"
#include "telemetry/metric_table.h"

namespace corbel::app {
namespace {

// Every kind of job: one line each.
jobs::Kinds makeKinds(const JobsPart::Parts& parts) {
  jobs::Kinds kinds;
  kinds.add(native::batchPrediction({parts.serving, parts.objects, parts.custody, parts.clock}));
  kinds.add(models::modelValidation({parts.registry, parts.objects, parts.inspect, parts.clock}));
  return kinds;
}

void append(std::vector<http::Route>& all, std::vector<http::Route> more) {
  std::ranges::move(more, std::back_inserter(all));
}

}  // namespace

JobsPart::JobsPart(const Parts& parts)
    : parts_(parts),
      kinds_(makeKinds(parts_)),
      queue_({parts.database, kinds_, parts.ids, parts.clock, &parts.outbox},
             {parts.settings.tenantMax, parts.settings.max}),
      schedules_({parts.database, queue_, kinds_, parts.ids}),
      feed_(queue_, parts.clock),
      jobsApi_({queue_, kinds_, parts.objects, feed_}),
      schedulesApi_(schedules_),
      predictionJobsApi_({parts.registry, parts.objects, queue_, parts.uploads, parts.clock,
                          parts.custody, parts.directory}) {
  queue_.onWork([this] {
    if (auto* workers = working_.load()) workers->wake();
  });
  queue_.onChange([this] { feed_.wake(); });
}

std::vector<http::Route> JobsPart::mount() {
  std::vector<http::Route> all = http::mount(jobsApi_, "Jobs");
  append(all, http::mount(schedulesApi_, "Jobs"));
  append(all, http::mount(predictionJobsApi_, "Predictions"));
  return all;
}

std::vector<http::Route> JobsPart::describe() {
  std::vector<http::Route> all = http::describe<native::JobsApi>("Jobs");
  append(all, http::describe<native::SchedulesApi>("Jobs"));
  append(all, http::describe<native::PredictionJobsApi>("Predictions"));
  return all;
}

jobs::WorkerOptions JobsPart::workerOptions() const {
  jobs::WorkerOptions options{.threads = parts_.settings.threads,
                              .lease = parts_.settings.lease,
                              .keep = parts_.settings.keep};
  options.round = std::min(options.round, options.lease / 4);
  return options;
}

void JobsPart::start() {
  workers_ = std::make_unique<jobs::Workers>(
      jobs::Workers::Parts{
          parts_.database, queue_, kinds_, schedules_, &parts_.outbox, parts_.ids, parts_.random,
          parts_.clock, parts_.metrics,
          [this](store::Transaction& tx, const jobs::JobFile& file) {
            return parts_.custody.letGo(tx, file.sha256);
          },
          [this](Deadline deadline) -> Result<void> {
            CORBEL_CHECK(parts_.custody.sweep(deadline));
            return {};
          },
          [&memory = parts_.memory] { return memory.level() < resilience::MemoryLevel::noBatch; }},
      workerOptions());
  working_ = workers_.get();
  // Zeros, so that alerts and dashboards find their names.
  for (const jobs::Kind* kind : kinds_.all()) {
    for (const std::string_view status : {"succeeded", "failed", "cancelled"})
      parts_.metrics.of(metrics::kJobsEnded).with(status, kind->name);
  }
  using None = std::array<std::string_view, 0>;
  observations_.push_back(parts_.metrics.observe(
      metrics::kJobsRunning, None{},
      [workers = workers_.get()] { return static_cast<double>(workers->stats().running); }));
  observations_.push_back(parts_.metrics.observe(
      metrics::kJobsOpen, None{},
      [workers = workers_.get()] { return static_cast<double>(workers->stats().waiting); }));
}

void JobsPart::beginStop() {
  feed_.stop();
  if (workers_) workers_->stop(Deadline::at(parts_.clock.steady()));
}

void JobsPart::stop(Deadline deadline) {
  if (workers_) workers_->stop(deadline);
}

void JobsPart::end() {
  observations_.clear();
  working_ = nullptr;
  workers_.reset();
}

}  // namespace corbel::app
