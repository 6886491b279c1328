// Schedules of the caller's tenant. See docs/jobs.md.
#pragma once
#include <tuple>

#include "http/route.h"
#include "jobs/schedules.h"
#include "native/jobs_dto.h"

namespace corbel::native {

class SchedulesApi {
 public:
  explicit SchedulesApi(const jobs::Schedules& schedules) : schedules_(schedules) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&SchedulesApi::list>("/api/v1/ai/schedules", Permission::jobsRead,
                                       "List schedules", {.description = "By name."}),
        http::post<&SchedulesApi::create>(
            "/api/v1/ai/schedules", Permission::jobsWrite, "Make a schedule",
            {.description = "A job for every time that the cron expression names, in UTC, however "
                            "many servers there are."}),
        http::get<&SchedulesApi::read>("/api/v1/ai/schedules/{schedule}", Permission::jobsRead,
                                       "Read a schedule"),
        http::patch<&SchedulesApi::change>("/api/v1/ai/schedules/{schedule}", Permission::jobsWrite,
                                           "Change or pause a schedule"),
        http::del<&SchedulesApi::remove>("/api/v1/ai/schedules/{schedule}", Permission::jobsWrite,
                                         "Remove a schedule")};
  }

 private:
  Result<ScheduleList> list(http::Call& call);
  Result<http::Created<ScheduleView>> create(http::Call& call, const NewScheduleRequest& request);
  Result<ScheduleView> read(http::Call& call);
  Result<ScheduleView> change(http::Call& call, const SchedulePatch& request);
  Result<http::NoContent> remove(http::Call& call);

  const jobs::Schedules& schedules_;
};

}  // namespace corbel::native
