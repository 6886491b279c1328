#include "events/personal_events.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/endpoint_store.h"
#include "events/events.h"

namespace corbel::events {
namespace {

using personal::Erased;
using personal::kAtOnce;
using personal::Name;
using personal::Person;
using personal::Record;
using personal::Thing;

// As it stands in an event's data: "actor":"user:ann".
std::string actorText(std::string_view principal) {
  const std::string data = toData({{"actor", principal}});
  return data.substr(1, data.size() - 2);
}

Thing thingOfEndpoint(const store::Row& row) {
  Record record;
  record.text("id", row.text(0)).text("url", row.text(1)).text("description", row.text(2));
  record.time("createdAt", row.time(3));
  return {row.string(0), record.finish()};
}

Thing thingOfLetter(const store::Row& row) {
  Record record;
  record.text("id", row.text(0)).text("type", row.text(1)).text("subject", row.text(2));
  record.json("data", row.text(3)).time("at", row.time(4));
  return {row.string(0), record.finish()};
}

Thing thingOfEvent(const store::Row& row) {
  Record record;
  record.text("type", row.text(1)).text("subject", row.text(2)).json("data", row.text(3));
  record.time("at", row.time(4));
  return {row.string(0), record.finish()};
}

Result<std::vector<Thing>> endpoints(store::Reader& reader, const Person& person,
                                     std::string_view after) {
  return reader
      .query(
          "SELECT id, url, description, created_at FROM webhook_endpoints WHERE tenant_id = ? "
          "AND id > ? AND created_by = ? AND created_at <= ? ORDER BY id LIMIT ?",
          person.tenant, after, person.principal, person.until, kAtOnce)
      .all(thingOfEndpoint);
}

Result<std::vector<Thing>> letters(store::Reader& reader, const Person& person,
                                   std::string_view after) {
  return reader
      .query({"SELECT id, type, subject, data, at FROM event_dead_letters WHERE tenant_id = ? AND "
              "id > ? AND instr(data, ?) > 0 ORDER BY id LIMIT ?",
              "SELECT id, type, subject, data, at FROM event_dead_letters WHERE tenant_id = ? AND "
              "id > ? AND strpos(data, ?) > 0 ORDER BY id LIMIT ?"},
             person.tenant, after, actorText(person.principal), kAtOnce)
      .all(thingOfLetter);
}

Result<std::vector<Thing>> waiting(store::Reader& reader, const Person& person,
                                   std::string_view after) {
  return reader
      .query({"SELECT id, type, subject, data, time FROM event_outbox WHERE tenant_id = ? AND id > "
              "? AND instr(data, ?) > 0 ORDER BY id LIMIT ?",
              "SELECT id, type, subject, data, time FROM event_outbox WHERE tenant_id = ? AND id > "
              "? AND strpos(data, ?) > 0 ORDER BY id LIMIT ?"},
             person.tenant, after, actorText(person.principal), kAtOnce)
      .all(thingOfEvent);
}

using Find = Result<std::vector<Thing>> (*)(store::Reader&, const Person&, std::string_view);

Result<void> showAll(store::Database& database, Find find, const Person& person,
                     const personal::Show& show, Deadline deadline) {
  const auto page = [&](std::string_view after) {
    return database.read([&](store::Reader& reader) { return find(reader, person, after); },
                         deadline);
  };
  return personal::showPages(page, show);
}

Result<Erased> eraseEndpoints(store::Transaction& tx, const Person& person) {
  CORBEL_TRY(const auto found, endpoints(tx, person, ""));
  for (const Thing& endpoint : found) CORBEL_CHECK(endpoint_store::remove(tx, endpoint.key));
  return Erased{static_cast<std::int64_t>(found.size()), found.size() == std::size_t{kAtOnce}};
}

Result<Erased> eraseEvents(store::Transaction& tx, const Person& person) {
  const std::string actor = actorText(person.principal);
  CORBEL_TRY(const auto removed,
             tx.change({"DELETE FROM event_dead_letters WHERE tenant_id = ? AND instr(data, ?) > 0",
                        "DELETE FROM event_dead_letters WHERE tenant_id = ? AND strpos(data, ?) > "
                        "0"},
                       person.tenant, actor));
  CORBEL_TRY(const auto changed,
             tx.change({"UPDATE event_outbox SET data = replace(data, ?, ?) WHERE tenant_id = ? "
                        "AND instr(data, ?) > 0",
                        "UPDATE event_outbox SET data = replace(data, ?, ?) WHERE tenant_id = ? "
                        "AND strpos(data, ?) > 0"},
                       actor, actorText(person.pseudonym), person.tenant, actor));
  return Erased{removed + changed};
}

}  // namespace

personal::Place personalWebhooks(store::Database& database) {
  return {
      .name = "webhooks",
      .doc = "Webhooks that the person made are removed, with what waits for them.",
      .tables = {"webhook_endpoints", "event_attempts"},
      .show =
          [&database](const Person& person, const personal::Show& show, Deadline deadline) {
            return showAll(database, endpoints, person, show, deadline);
          },
      .erase =
          [&database](const Person& person, Deadline deadline) {
            return database.write(
                [&](store::Transaction& tx) { return eraseEndpoints(tx, person); }, deadline);
          },
      .names = [&database](Deadline deadline) -> Result<std::vector<Name>> {
        return database.read(
            [](store::Reader& reader) {
              return reader.query("SELECT DISTINCT tenant_id, created_by FROM webhook_endpoints")
                  .all([](const store::Row& row) { return Name{row.string(0), row.string(1)}; });
            },
            deadline);
      }};
}

personal::Place personalEvents(store::Database& database) {
  return {.name = "events",
          .doc =
              "Events that still wait lose the name of who caused them; those that were given "
              "up are removed.",
          .tables = {"event_outbox", "event_dead_letters"},
          .show = [&database](const Person& person, const personal::Show& show,
                              Deadline deadline) -> Result<void> {
            CORBEL_CHECK(showAll(database, waiting, person, show, deadline));
            return showAll(database, letters, person, show, deadline);
          },
          .erase =
              [&database](const Person& person, Deadline deadline) {
                return database.write(
                    [&](store::Transaction& tx) { return eraseEvents(tx, person); }, deadline);
              }};
}

}  // namespace corbel::events
