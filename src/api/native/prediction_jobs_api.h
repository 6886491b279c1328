// Predictions of whole files, as jobs. See docs/jobs.md.
#pragma once
#include <cstddef>
#include <tuple>

#include "custody/custody.h"
#include "exec/pool.h"
#include "http/route.h"
#include "identity/directory.h"
#include "jobs/jobs.h"
#include "models/registry.h"
#include "native/jobs_dto.h"
#include "objects/objects.h"

namespace corbel::native {

inline constexpr std::size_t kBatchBody = limits::kGiB;

class PredictionJobsApi {
 public:
  // Everything must outlive it.
  struct Parts {
    models::Registry& registry;
    objects::ObjectStore& objects;
    jobs::Queue& queue;
    exec::Pool& pool;  // for writing uploads
    const Clock& clock;
    const custody::Custody& custody;
    const identity::Directory& directory;
  };
  explicit PredictionJobsApi(Parts parts) : parts_(std::move(parts)) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{http::upload<&PredictionJobsApi::begin, &PredictionJobsApi::finish>(
        "/api/v1/ai/models/{model}/prediction-jobs", Permission::modelsPredict,
        "Predict all rows of a file",
        {.limit = http::LimitClass::inference,
         .bodyMax = kBatchBody,
         .description = "The body is the file. The job's file `output` has a JSON object for each "
                        "row, `rejected` those that the model refuses, with what is wrong.",
         .uploadTypes = "text/csv, application/x-ndjson, application/jsonl, application/json",
         .deadline = http::kNoDeadline})};
  }

 private:
  Result<std::shared_ptr<http::BodySink>> begin(http::Call& call);
  // insufficient_storage: with `more` bytes the tenant's models and jobs would pass its quota.
  Result<void> checkStorage(const http::Call& call, std::int64_t more) const;
  Result<http::Accepted<JobView>> finish(http::Call& call, const NewPredictionJob& request);

  Parts parts_;
};

}  // namespace corbel::native
