// Jobs of the caller's tenant: what runs, what came of it, cancel, try again. See docs/jobs.md.
#pragma once
#include <tuple>

#include "http/route.h"
#include "jobs/jobs.h"
#include "native/job_feed.h"
#include "native/jobs_dto.h"
#include "native/page.h"
#include "objects/objects.h"

namespace corbel::native {

class JobsApi {
 public:
  // Everything must outlive it.
  struct Parts {
    jobs::Queue& queue;
    const jobs::Kinds& kinds;
    objects::ObjectStore& objects;
    JobFeed& feed;
  };
  explicit JobsApi(Parts parts) : parts_(parts) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&JobsApi::kinds>("/api/v1/ai/job-kinds", Permission::jobsRead,
                                   "List kinds of jobs"),
        http::get<&JobsApi::list>("/api/v1/ai/jobs", Permission::jobsRead, "List jobs",
                                  {.description = "Newest first."}),
        http::post<&JobsApi::start>("/api/v1/ai/jobs", Permission::jobsWrite, "Start a job"),
        http::get<&JobsApi::read>("/api/v1/ai/jobs/{job}", Permission::jobsRead, "Read a job"),
        http::get<&JobsApi::log>("/api/v1/ai/jobs/{job}/log", Permission::jobsRead,
                                 "Read the last lines of a job's log"),
        http::get<&JobsApi::follow>(
            "/api/v1/ai/jobs/{job}/events", Permission::jobsRead, "Follow a job",
            {.description = "Server-sent events: `progress` with the job, `log` with a line; the "
                            "last event is `succeeded`, `failed` or `cancelled`. After a lost "
                            "connection, `Last-Event-ID` says what was seen.",
             .contentType = "text/event-stream",
             .deadline = http::kNoDeadline}),
        http::get<&JobsApi::download>("/api/v1/ai/jobs/{job}/files/{file}", Permission::jobsRead,
                                      "Download a file of a job",
                                      {.contentType = "application/octet-stream"}),
        http::post<&JobsApi::cancel>(
            "/api/v1/ai/jobs/{job}/cancel", Permission::jobsWrite, "Cancel a job",
            {.description = "A running job is told to stop, and cancelled when it has. One that "
                            "has ended stays as it is."}),
        http::post<&JobsApi::retry>("/api/v1/ai/jobs/{job}/retry", Permission::jobsWrite,
                                    "Queue a failed or cancelled job again")};
  }

 private:
  Result<JobKindList> kinds(http::Call& call);
  Result<Page<JobView>> list(http::Call& call, const ListJobs& request);
  Result<http::Accepted<JobView>> start(http::Call& call, const NewJobRequest& request);
  Result<JobView> read(http::Call& call);
  Result<JobLog> log(http::Call& call);
  Result<http::Response> follow(http::Call& call);
  Result<http::Response> download(http::Call& call);
  Result<JobView> cancel(http::Call& call);
  Result<JobView> retry(http::Call& call);

  Parts parts_;
};

JobView view(const jobs::Job& job);
// 202, and where to look.
http::Accepted<JobView> accepted(const jobs::Job& job);

}  // namespace corbel::native
