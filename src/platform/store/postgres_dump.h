// The content of Corbel's tables in a PostgreSQL schema, out and in again, while others use it.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/migration.h"
#include "store/store.h"

namespace corbel::store {

struct DumpedTable {
  std::string name;
  std::string columns;  // quoted and separated by commas, as COPY takes them
};

// One moment of the schema. For one thread; others write meanwhile, and wait for nothing but
// migrations, which wait for this.
class PostgresDump {
 public:
  virtual ~PostgresDump() = default;
  virtual const std::vector<AppliedMigration>& migrations() const = 0;
  // Those that others refer to come first.
  virtual const std::vector<DumpedTable>& tables() const = 0;
  using Take = std::function<Result<void>(std::span<const std::byte>)>;
  // The rows in the text form of COPY. Errors of `take` pass through. unavailable.
  virtual Result<void> copy(const DumpedTable& table, const Take& take) = 0;
};
// not_found: the schema has no tables of Corbel. Else as openPostgres.
Result<std::unique_ptr<PostgresDump>> dumpPostgres(const PostgresOptions& options);

// Whether the schema has tables of Corbel.
Result<bool> hasTables(const PostgresOptions& options);
// Removes the schema with everything in it, where it is there.
Result<void> dropSchema(const PostgresOptions& options);
// Gives the schema of `options` the name `name`, in one step with the one that has that name, if
// there is one: that is `aside` afterwards. Both are plain lower-case names.
Result<void> takePlace(const PostgresOptions& options, const std::string& name,
                       const std::string& aside);

// Replaces the content of all tables but that of the migrations, in one transaction. `give` hands
// the rows of a table, in the same form, to the function it is given.
using Give = std::function<Result<void>(const DumpedTable& table, const PostgresDump::Take& row)>;
Result<void> loadPostgres(const PostgresOptions& options, std::span<const DumpedTable> tables,
                          const Give& give);

}  // namespace corbel::store
