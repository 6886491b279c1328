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
)"},
                                    store::Migration{.version = 19,
                                                     .name = "users and their sessions",
                                                     .up = R"(
CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password_hash TEXT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  disabled_at BIGINT,
  last_sign_in_at BIGINT
);
CREATE TABLE user_roles (
  user_id TEXT NOT NULL REFERENCES users (id),
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  role TEXT NOT NULL,
  PRIMARY KEY (user_id, tenant_id, role)
);
CREATE INDEX user_roles_of_tenant ON user_roles (tenant_id, user_id, role);
CREATE TABLE user_sessions (
  id TEXT NOT NULL PRIMARY KEY,
  token_hash TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES users (id),
  address TEXT NOT NULL,
  device TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX user_sessions_of_user ON user_sessions (user_id, last_used_at);
)",
                                                     .down = R"(
DROP INDEX user_sessions_of_user;
DROP TABLE user_sessions;
DROP INDEX user_roles_of_tenant;
DROP TABLE user_roles;
DROP TABLE users;
)"},
                                    store::Migration{.version = 23,
                                                     .name = "the link of the first start",
                                                     .up = R"(
CREATE TABLE setup_links (
  token_hash TEXT NOT NULL PRIMARY KEY,
  expires_at BIGINT NOT NULL
);
)",
                                                     .down = R"(
DROP TABLE setup_links;
)"}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::identity
