#include "identity/migrations.h"

#include <array>

namespace corbel::identity {
namespace {

constexpr std::array kMigrations = {store::Migration{.version = 1,
                                                     .name = "tenants, roles and API keys",
                                                     .up = R"(
CREATE TABLE tenants (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  models_max BIGINT,
  storage_bytes_max BIGINT,
  requests_per_minute BIGINT,
  created_at BIGINT NOT NULL
);
CREATE TABLE roles (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  prefix TEXT NOT NULL UNIQUE,
  secret_hash TEXT NOT NULL,
  previous_hash TEXT,
  previous_until BIGINT,
  role TEXT NOT NULL,
  permissions TEXT NOT NULL,
  requests_per_minute BIGINT,
  rows_per_minute BIGINT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  last_used_at BIGINT,
  revoked_at BIGINT
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, id);
)",
                                                     .down = R"(
DROP INDEX api_keys_of_tenant;
DROP TABLE api_keys;
DROP TABLE roles;
DROP TABLE tenants;
)"}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::identity
