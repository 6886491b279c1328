// What is kept about a person: show it, erase it. See docs/personal-data.md.
#pragma once
#include <span>
#include <tuple>

#include "http/route.h"
#include "native/jobs_dto.h"
#include "native/page.h"
#include "native/personal_data_dto.h"
#include "personal/personal.h"
#include "privacy/personal_data.h"

namespace corbel::native {

class PersonalDataApi {
 public:
  // `personalData` must outlive it, and so must the tables that no place has.
  PersonalDataApi(privacy::PersonalData& personalData,
                  std::span<const personal::TableWithoutPeople> others)
      : personalData_(personalData), others_(others) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&PersonalDataApi::places>("/api/v1/ai/personal-data/places",
                                            Permission::personalData,
                                            "List where data about people lies"),
        http::get<&PersonalDataApi::list>(
            "/api/v1/ai/personal-data/requests", Permission::personalData,
            "List requests for personal data", {.description = "Newest first."}),
        http::post<&PersonalDataApi::beginExport>(
            "/api/v1/ai/personal-data/exports", Permission::personalData,
            "Export what is kept about a person",
            {.description =
                 "A job; what it wrote is at `/personal-data/exports/{export}/file` for a "
                 "day."}),
        http::get<&PersonalDataApi::download>(
            "/api/v1/ai/personal-data/exports/{export}/file", Permission::personalData,
            "Download an export",
            {.description = "A JSON object a line: first who and when, then each thing with its "
                            "place.",
             .contentType = "application/x-ndjson",
             .audit = http::Audit::always}),
        http::post<&PersonalDataApi::beginErasure>(
            "/api/v1/ai/personal-data/erasures", Permission::personalData,
            "Erase what is kept about a person",
            {.description = "A job. It cannot be taken back. `/personal-data/places` says what is "
                            "removed and what stays without the name."})};
  }

 private:
  Result<PersonalPlaceList> places(http::Call& call);
  Result<Page<PersonalDataRequestView>> list(http::Call& call,
                                             const ListPersonalDataRequests& request);
  Result<http::Accepted<JobView>> beginExport(http::Call& call, const PersonRequest& request);
  Result<http::Accepted<JobView>> beginErasure(http::Call& call, const PersonRequest& request);
  Result<http::Response> download(http::Call& call);
  Result<http::Accepted<JobView>> ask(http::Call& call, privacy::RequestKind kind,
                                      const PersonRequest& request);

  privacy::PersonalData& personalData_;
  const std::span<const personal::TableWithoutPeople> others_;
};

}  // namespace corbel::native
