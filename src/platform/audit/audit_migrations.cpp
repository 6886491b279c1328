#include "audit/audit_migrations.h"

#include <array>

namespace corbel::audit {
namespace {

// audit_head is what makes the chain one: two units that append at once meet in its row.
constexpr std::array kMigrations = {store::Migration{.version = 17,
                                                     .name = "audit log",
                                                     .up = R"(
CREATE TABLE audit_log (
  number BIGINT NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL,
  tenant_id TEXT NOT NULL,
  principal TEXT NOT NULL,
  kind TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  remote TEXT NOT NULL,
  request_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  code TEXT NOT NULL,
  omitted BIGINT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_log_of_tenant ON audit_log (tenant_id, number);
CREATE TABLE audit_head (
  id INTEGER NOT NULL PRIMARY KEY,
  number BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_head (id, number, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
)",
                                                     .down = R"(
DROP TABLE audit_head;
DROP INDEX audit_log_of_tenant;
DROP TABLE audit_log;
)"},
                                    store::Migration{.version = 25,
                                                     .name = "audit lines that can lose the name",
                                                     .up = R"(
ALTER TABLE audit_log ADD COLUMN salt TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN who TEXT NOT NULL DEFAULT '';
)",
                                                     .down = R"(
ALTER TABLE audit_log DROP COLUMN who;
ALTER TABLE audit_log DROP COLUMN salt;
)"}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::audit
