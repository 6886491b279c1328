// What this process answers, by the roles it serves.
#include <algorithm>
#include <iterator>
#include <utility>

#include "app/app.h"

namespace corbel::app {
namespace {

using Routes = std::vector<http::Route>;

void append(Routes& all, Routes more) { std::ranges::move(more, std::back_inserter(all)); }

Routes together(Routes first, Routes second, Routes third) {
  append(first, std::move(second));
  append(first, std::move(third));
  return first;
}

Routes describeModels() {
  return together(http::describe<native::ModelsApi>("Models"),
                  http::describe<native::VersionsApi>("Versions"),
                  http::describe<native::PredictionsApi>("Predictions"));
}

}  // namespace

std::vector<http::Route> App::mountAll() {
  Routes all = split_->routesOf(
      "models",
      together(http::mount(*modelsApi_, "Models"), http::mount(*versionsApi_, "Versions"),
               http::mount(*predictionsApi_, "Predictions")),
      describeModels());
  if (split_->has("gateway")) {
    append(all, http::mount(*keysApi_, "Keys"));
    append(all, http::mount(*accessApi_, "Access"));
    append(all, http::mount(*webhooksApi_, "Events"));
    append(all, jobs_->mount());
    append(all, trust_->mount());
    append(all, personalData_.mount());
    append(all, users_->mount());
    append(all, http::mount(*statusPage_, ""));
    if (settings_.docs.access == "main") append(all, http::mount(*docsApi_, ""));
  }
  append(all, http::mount(*healthApi_, "Health"));
  if (settings_.metrics.port == 0) append(all, http::mount(*metricsApi_, "Health"));
  append(all, http::mount(*icon_, ""));
  return all;
}

std::vector<http::Route> describeApi(const config::Settings& settings) {
  Routes all = describeModels();
  append(all, http::describe<native::KeysApi>("Keys"));
  append(all, http::describe<native::AccessApi>("Access"));
  append(all, http::describe<native::WebhooksApi>("Events"));
  append(all, JobsPart::describe());
  append(all, Trust::describe());
  append(all, PersonalDataPart::describe());
  append(all, UsersPart::describe());
  append(all, http::describe<native::HealthApi>("Health"));
  if (settings.metrics.port == 0) append(all, http::describe<native::MetricsApi>("Health"));
  return all;
}

}  // namespace corbel::app
