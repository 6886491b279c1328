#include "native/personal_data_api.h"

#include <utility>

#include "native/jobs_api.h"

namespace corbel::native {
namespace {

// How long the content of a file may take to be compared with its name.
constexpr std::chrono::seconds kOpening{30};

PersonalDataRequestView view(const privacy::Request& request) {
  PersonalDataRequestView shown{.id = request.id,
                                .kind = std::string(name(request.kind)),
                                .status = request.finishedAt ? "finished" : "open",
                                .requestedBy = request.requestedBy,
                                .requestedAt = request.requestedAt,
                                .finishedAt = request.finishedAt,
                                .places = {},
                                .sizeBytes = {},
                                .expiresAt = request.expiresAt};
  for (const auto& [place, count] : request.report.places) shown.places.push_back({place, count});
  if (!request.sha256.empty() && request.finishedAt) shown.sizeBytes = request.sizeBytes;
  return shown;
}

}  // namespace

Result<PersonalPlaceList> PersonalDataApi::places(http::Call&) {
  PersonalPlaceList list;
  for (const personal::Place& place : personalData_.places()) {
    list.items.push_back({std::string(place.name),
                          std::string(place.doc),
                          {place.tables.begin(), place.tables.end()}});
  }
  for (const auto& [table, reason] : others_)
    list.tablesWithoutPeople.push_back({std::string(table), std::string(reason)});
  return list;
}

Result<Page<PersonalDataRequestView>> PersonalDataApi::list(
    http::Call& call, const ListPersonalDataRequests& request) {
  CORBEL_TRY(auto found, personalData_.list(call.tenant(), request.cursor.value_or(""),
                                            request.limit + 1, call.deadline()));
  Page<PersonalDataRequestView> page;
  if (found.size() > static_cast<std::size_t>(request.limit)) {
    found.pop_back();
    page.nextCursor = found.back().id;
  }
  for (const privacy::Request& one : found) page.items.push_back(view(one));
  return page;
}

Result<http::Accepted<JobView>> PersonalDataApi::ask(http::Call& call, privacy::RequestKind kind,
                                                     const PersonRequest& request) {
  CORBEL_TRY(const auto job, personalData_.ask(kind,
                                               {.tenant = call.tenant(),
                                                .principal = request.principal,
                                                .requestedBy = call.principal().id},
                                               call.deadline()));
  return accepted(job);
}

Result<http::Accepted<JobView>> PersonalDataApi::beginExport(http::Call& call,
                                                             const PersonRequest& request) {
  return ask(call, privacy::RequestKind::exporting, request);
}

Result<http::Accepted<JobView>> PersonalDataApi::beginErasure(http::Call& call,
                                                              const PersonRequest& request) {
  return ask(call, privacy::RequestKind::erasure, request);
}

Result<http::Response> PersonalDataApi::download(http::Call& call) {
  CORBEL_TRY(auto file, personalData_.openExport(call.tenant(), call.parameter("export"),
                                                 Deadline::at(call.startedAt() + kOpening)));
  const auto bytes = static_cast<std::uint64_t>(file.sizeBytes());
  http::Response response{
      .status = 200, .contentType = "application/x-ndjson", .headers = {}, .body = {}};
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"personal-data.ndjson\"");
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body.emplace<http::FileRange>(std::move(file).release().release(), 0, bytes);
  return response;
}

}  // namespace corbel::native
