#include "native/schedules_api.h"

#include <chrono>
#include <utility>

namespace corbel::native {
namespace {

ScheduleView view(const jobs::Schedule& schedule) {
  return {.id = schedule.id,
          .name = schedule.name,
          .kind = schedule.kind,
          .input = {schedule.input},
          .cron = schedule.cron,
          .graceMs = schedule.grace.count(),
          .paused = schedule.paused,
          .nextRunAt = schedule.nextRunAt,
          .lastRunAt = schedule.lastRunAt,
          .lastJobId = schedule.lastJobId,
          .lastSkippedAt = schedule.lastSkippedAt,
          .lastSkippedReason = schedule.lastSkippedReason,
          .createdBy = schedule.createdBy,
          .createdAt = schedule.createdAt};
}

}  // namespace

Result<ScheduleList> SchedulesApi::list(http::Call& call) {
  CORBEL_TRY(const auto found, schedules_.list(call.tenant(), call.deadline()));
  ScheduleList list;
  for (const jobs::Schedule& schedule : found) list.items.push_back(view(schedule));
  return list;
}

Result<http::Created<ScheduleView>> SchedulesApi::create(http::Call& call,
                                                         const NewScheduleRequest& request) {
  CORBEL_TRY(const auto made,
             schedules_.create(call.tenant(),
                               {.name = request.name,
                                .kind = request.kind,
                                .input = request.input.text,
                                .cron = request.cron,
                                .grace = std::chrono::milliseconds(request.graceMs),
                                .paused = request.paused},
                               call.principal().id, call.deadline()));
  return http::Created<ScheduleView>{"/api/v1/ai/schedules/" + made.id, view(made)};
}

Result<ScheduleView> SchedulesApi::read(http::Call& call) {
  CORBEL_TRY(const auto found,
             schedules_.get(call.tenant(), call.parameter("schedule"), call.deadline()));
  return view(found);
}

Result<ScheduleView> SchedulesApi::change(http::Call& call, const SchedulePatch& request) {
  jobs::Schedules::Change change{.cron = request.cron, .paused = request.paused};
  if (request.input) change.input = request.input->text;
  if (request.graceMs) change.grace = std::chrono::milliseconds(*request.graceMs);
  CORBEL_TRY(const auto changed,
             schedules_.change(call.tenant(), call.parameter("schedule"), change, call.deadline()));
  return view(changed);
}

Result<http::NoContent> SchedulesApi::remove(http::Call& call) {
  CORBEL_CHECK(schedules_.remove(call.tenant(), call.parameter("schedule"), call.deadline()));
  return http::NoContent{};
}

}  // namespace corbel::native
