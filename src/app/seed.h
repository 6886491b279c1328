// `corbel seed`: demo data for an installation that has none, and its way out again. See
// docs/seed.md.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace corbel::app {

struct SeedReport {
  std::vector<std::string> models;  // names
  std::vector<std::string> kept;    // models that somebody else has changed, which stay
  int versions = 0;
  int jobs = 0;
  int schedules = 0;
};

enum class BesideOthers : std::uint8_t { no, yes };

// Makes models with versions and aliases, a batch of predictions, a validation and a schedule in
// the tenant "default", in the name of kDemoPrincipal; events go out as for everybody's.
// already_exists: demo data is there. failed_precondition: other things are, and `beside` is no.
// unavailable: a server has the data folder.
Result<SeedReport> seed(const config::Settings& settings, BesideOthers beside);

// Takes out what seed() has made, also of an earlier time, and nothing else.
Result<SeedReport> unseed(const config::Settings& settings);

inline constexpr std::string_view kDemoPrincipal = "user:corbel-demo";

}  // namespace corbel::app
