#include <array>

#include "custody/custody.h"

namespace corbel::custody {
namespace {

constexpr std::string_view kUp = R"(
CREATE TABLE object_holds (
  id TEXT NOT NULL PRIMARY KEY,
  sha256 TEXT NOT NULL,
  removes BOOLEAN NOT NULL,
  until_at BIGINT NOT NULL
);
CREATE INDEX object_holds_sha256 ON object_holds (sha256);
CREATE INDEX object_holds_until ON object_holds (until_at)
)";

constexpr std::string_view kDown = R"(
DROP INDEX object_holds_until;
DROP INDEX object_holds_sha256;
DROP TABLE object_holds
)";

constexpr std::array kMigrations = {store::Migration{29, "who holds which object", kUp, kDown}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::custody
