// Where a PostgreSQL server is and how to connect to it.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace corbel::store {

struct PostgresTarget {
  std::vector<std::pair<std::string, std::string>> parameters;  // of libpq; the password among them
  std::string name;                                             // for people: host:port/database
};

// invalid_argument: as checkPostgresUrl says.
Result<PostgresTarget> targetOf(const PostgresOptions& options);

}  // namespace corbel::store
