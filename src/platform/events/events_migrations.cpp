#include "events/events_migrations.h"

#include <array>

namespace corbel::events {
namespace {

// The one row of event_totals hands out positions and counts what waits, so that the bound costs no
// scan.
constexpr std::string_view kUp = R"(
CREATE TABLE event_totals (
  id INTEGER NOT NULL PRIMARY KEY,
  last_position BIGINT NOT NULL,
  pending_rows BIGINT NOT NULL,
  pending_bytes BIGINT NOT NULL
);
INSERT INTO event_totals (id, last_position, pending_rows, pending_bytes) VALUES (1, 0, 0, 0);
CREATE TABLE event_outbox (
  position BIGINT NOT NULL PRIMARY KEY,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  time BIGINT NOT NULL,
  tenant_id TEXT NOT NULL,
  partition_key TEXT NOT NULL,
  data TEXT NOT NULL,
  bytes BIGINT NOT NULL
);
CREATE TABLE event_deliveries (
  sink TEXT NOT NULL,
  target TEXT NOT NULL,
  position BIGINT NOT NULL REFERENCES event_outbox (position),
  attempts INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (sink, target, position)
);
CREATE INDEX event_deliveries_position ON event_deliveries (position);
CREATE TABLE event_attempts (
  id TEXT NOT NULL PRIMARY KEY,
  sink TEXT NOT NULL,
  target TEXT NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  verdict TEXT NOT NULL,
  reason TEXT NOT NULL,
  status INTEGER NOT NULL,
  took_ms BIGINT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX event_attempts_target ON event_attempts (sink, target, id);
CREATE TABLE event_dead_letters (
  id TEXT NOT NULL PRIMARY KEY,
  sink TEXT NOT NULL,
  target TEXT NOT NULL,
  event_id TEXT NOT NULL,
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  time BIGINT NOT NULL,
  tenant_id TEXT NOT NULL,
  partition_key TEXT NOT NULL,
  data TEXT NOT NULL,
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX event_dead_letters_target ON event_dead_letters (sink, target, id);
CREATE TABLE webhook_endpoints (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  url TEXT NOT NULL,
  types TEXT NOT NULL,
  description TEXT NOT NULL,
  secret TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  disabled_at BIGINT,
  disabled_reason TEXT
);
CREATE INDEX webhook_endpoints_tenant ON webhook_endpoints (tenant_id, id)
)";

constexpr std::string_view kDown = R"(
DROP INDEX webhook_endpoints_tenant;
DROP TABLE webhook_endpoints;
DROP INDEX event_dead_letters_target;
DROP TABLE event_dead_letters;
DROP INDEX event_attempts_target;
DROP TABLE event_attempts;
DROP INDEX event_deliveries_position;
DROP TABLE event_deliveries;
DROP TABLE event_outbox;
DROP TABLE event_totals
)";

constexpr std::string_view kLeasesUp = R"(
CREATE TABLE event_leases (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  until_at BIGINT NOT NULL
)
)";

constexpr std::string_view kLeasesDown = R"(
DROP TABLE event_leases
)";

constexpr std::array kMigrations = {
    store::Migration{20, "outbox of events and webhook endpoints", kUp, kDown},
    store::Migration{30, "leases of event sinks", kLeasesUp, kLeasesDown}};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace corbel::events
