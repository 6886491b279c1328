// Takes models out for good, with everything of them; archiving keeps their rows.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "custody/custody.h"
#include "store/store.h"

namespace corbel::models {

struct Removed {
  std::vector<std::string> models;  // names
  std::vector<std::string> kept;    // names: somebody else has a hand in them
};

// Whether a version of the tenant's models is of `maker`.
Result<bool> hasMade(store::Database& database, std::string_view tenant, std::string_view maker,
                     Deadline deadline);

// The tenant's models whose versions, aliases and stages are all of `maker`. Their files go with
// the next sweep().
Result<Removed> removeMadeBy(store::Database& database, const custody::Custody& custody,
                             std::string_view tenant, std::string_view maker, Deadline deadline);

}  // namespace corbel::models
