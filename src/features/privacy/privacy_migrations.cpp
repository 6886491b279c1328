#include "privacy/privacy_migrations.h"

#include <array>

namespace corbel::privacy {
namespace {

// `person` is a keyed hash; `subject` is sealed, and gone once it has served.
constexpr std::string_view kUp = R"(
CREATE TABLE personal_requests (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  person TEXT NOT NULL,
  subject TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  requested_at BIGINT NOT NULL,
  finished_at BIGINT,
  report TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  expires_at BIGINT
);
CREATE INDEX personal_requests_tenant ON personal_requests (tenant_id, id);
CREATE INDEX personal_requests_expiry ON personal_requests (expires_at)
  WHERE expires_at IS NOT NULL
)";

constexpr std::string_view kDown = R"(
DROP INDEX personal_requests_expiry;
DROP INDEX personal_requests_tenant;
DROP TABLE personal_requests
)";

constexpr std::array kMigrations = {store::Migration{26, "requests for personal data", kUp, kDown}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::privacy
