// Takes models out for good, with everything of them; archiving keeps their rows.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "store/store.h"

namespace corbel::models {

struct Removed {
  std::vector<std::string> models;  // names
  std::vector<std::string> kept;    // names: somebody else has a hand in them
};

// Whether a version of the tenant's models is of `maker`.
Result<bool> hasMade(store::Database& database, std::string_view tenant, std::string_view maker,
                     Deadline deadline);

// Told of every file of a version that is removed, in the unit of work that removes it.
using LetGo = std::function<Result<void>(store::Transaction& tx, const std::string& sha256)>;

// The tenant's models whose versions, aliases and stages are all of `maker`.
Result<Removed> removeMadeBy(store::Database& database, std::string_view tenant,
                             std::string_view maker, const LetGo& letGo, Deadline deadline);

}  // namespace corbel::models
