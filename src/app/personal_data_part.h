// Personal data: every place where it lies, the jobs that export and erase it, and their API.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "app/database.h"
#include "app/jobs_part.h"
#include "app/trust.h"
#include "base/result.h"
#include "cache/cache.h"
#include "config/settings.h"
#include "custody/custody.h"
#include "http/route.h"
#include "identity/backend_tokens.h"
#include "jobs/kinds.h"
#include "native/personal_data_api.h"
#include "objects/objects.h"
#include "privacy/personal_data.h"

namespace corbel::app {

class PersonalDataPart {
 public:
  PersonalDataPart() = default;

  // Before the jobs are put together, whose kinds these are.
  std::vector<jobs::Kind> kinds();

  // Everything must outlive it.
  struct Parts {
    const config::Settings& settings;
    Installation& installation;
    JobsPart& jobs;
    objects::ObjectStore& objects;
    const custody::Custody& custody;
    cache::Cache& cache;
    identity::BackendTokens* tokens;  // null: there is no backend
    const audit::AuditLog& audit;
  };
  Result<void> open(const Parts& parts);
  static std::vector<personal::Place> places(const Parts& parts);

  // Erases anew whom a restored database has again; before anything is served.
  Result<void> catchUp();

  std::vector<http::Route> mount();
  static std::vector<http::Route> describe();

  // About once a minute.
  Result<void> removeExpired(Deadline deadline);

 private:
  std::unique_ptr<privacy::PersonalData> personalData_;
  std::unique_ptr<native::PersonalDataApi> api_;
};

}  // namespace corbel::app
