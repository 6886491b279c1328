#include "secrets/secrets_migrations.h"

#include <array>

namespace corbel::secrets {
namespace {

// The row of the tenant '' belongs to the installation: it is there from the first start on, so
// that a second process with another master key is refused before it seals anything.
constexpr std::array kMigrations = {store::Migration{.version = 16,
                                                     .name = "data keys",
                                                     .up = R"(
CREATE TABLE data_keys (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL UNIQUE,
  master_key TEXT NOT NULL,
  wrapped TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
)",
                                                     .down = R"(
DROP TABLE data_keys;
)"},
                                    store::Migration{.version = 18,
                                                     .name = "secrets of the installation",
                                                     .up = R"(
CREATE TABLE installation_secrets (
  name TEXT NOT NULL PRIMARY KEY,
  sealed TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
)",
                                                     .down = R"(
DROP TABLE installation_secrets;
)"}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::secrets
