#include "models/models_migrations.h"

#include <array>

namespace corbel::models {
namespace {

// ml_models and prediction_cache keep the names and columns that existing integrations read.
constexpr std::string_view kModelsUp = R"sql(
CREATE TABLE ml_models (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  config TEXT NOT NULL,
  description TEXT NOT NULL,
  framework TEXT NOT NULL,
  category TEXT NOT NULL,
  input_schema TEXT NOT NULL,
  output_schema TEXT NOT NULL,
  tags TEXT NOT NULL,
  card TEXT NOT NULL,
  revision INTEGER NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  archived_at BIGINT
);
CREATE UNIQUE INDEX ml_models_name ON ml_models (tenant_id, name) WHERE archived_at IS NULL;
CREATE INDEX ml_models_updated ON ml_models (tenant_id, updated_at, id);
CREATE TABLE model_versions (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  model_id TEXT NOT NULL REFERENCES ml_models (id),
  number INTEGER NOT NULL,
  artifact_sha256 TEXT NOT NULL,
  artifact_bytes BIGINT NOT NULL,
  signature TEXT NOT NULL,
  source TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  parent INTEGER,
  notes TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (model_id, number)
);
CREATE INDEX model_versions_artifact ON model_versions (artifact_sha256);
CREATE TABLE model_aliases (
  tenant_id TEXT NOT NULL,
  model_id TEXT NOT NULL REFERENCES ml_models (id),
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (model_id, alias)
);
CREATE TABLE model_alias_changes (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  model_id TEXT NOT NULL REFERENCES ml_models (id),
  alias TEXT NOT NULL,
  version INTEGER,
  previous INTEGER,
  changed_by TEXT NOT NULL,
  changed_at BIGINT NOT NULL
);
CREATE INDEX model_alias_changes_model ON model_alias_changes (model_id, id)
)sql";

constexpr std::string_view kModelsDown = R"sql(
DROP TABLE model_alias_changes;
DROP TABLE model_aliases;
DROP TABLE model_versions;
DROP TABLE ml_models
)sql";

constexpr std::string_view kCacheUp = R"sql(
CREATE TABLE prediction_cache (
  id TEXT NOT NULL PRIMARY KEY,
  input_hash TEXT NOT NULL,
  prediction_data TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  tenant_id TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  UNIQUE (tenant_id, input_hash)
);
CREATE INDEX prediction_cache_expiry ON prediction_cache (expires_at)
)sql";

constexpr std::string_view kStagesUp = R"sql(
ALTER TABLE model_versions ADD COLUMN stage TEXT NOT NULL DEFAULT 'none';
CREATE TABLE model_stage_changes (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  version_id TEXT NOT NULL REFERENCES model_versions (id),
  stage TEXT NOT NULL,
  previous TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at BIGINT NOT NULL
);
CREATE INDEX model_stage_changes_version ON model_stage_changes (version_id, id)
)sql";

constexpr std::string_view kStagesDown = R"sql(
DROP TABLE model_stage_changes;
ALTER TABLE model_versions DROP COLUMN stage
)sql";

constexpr std::array kMigrations = {
    store::Migration{10, "models, versions and aliases", kModelsUp, kModelsDown},
    store::Migration{11, "prediction cache", kCacheUp, "DROP TABLE prediction_cache"},
    store::Migration{12, "stages of versions", kStagesUp, kStagesDown},
    // The cache has a file of its own, which has a view of this name.
    store::Migration{22, "no prediction cache", "DROP TABLE prediction_cache", kCacheUp},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::models
