#include "audit/personal_lines.h"

#include <string_view>
#include <vector>

#include "base/text.h"

namespace corbel::audit {
namespace {

using personal::Erased;
using personal::kAtOnce;
using personal::Name;
using personal::Person;
using personal::Thing;

Thing thingOf(const store::Row& row) {
  personal::Record record;
  record.number("number", row.integer(0)).time("at", row.time(1)).text("action", row.text(2));
  record.text("object", row.text(3)).text("remote", row.text(4)).text("requestId", row.text(5));
  record.text("outcome", row.text(6));
  return {std::to_string(row.integer(0)), record.finish()};
}

Result<std::vector<Thing>> lines(store::Reader& reader, const Person& person,
                                 std::string_view after) {
  return reader
      .query(
          "SELECT number, at, action, object, remote, request_id, outcome FROM audit_log WHERE "
          "tenant_id = ? AND number > ? AND principal = ? AND at <= ? ORDER BY number LIMIT ?",
          person.tenant, parseNumber<std::int64_t>(after).value_or(0), person.principal,
          person.until, kAtOnce)
      .all(thingOf);
}

Result<Erased> erase(store::Transaction& tx, const Person& person) {
  CORBEL_TRY(const auto count,
             tx.change("UPDATE audit_log SET principal = ?, remote = '', request_id = '', salt = "
                       "'' WHERE number IN (SELECT number FROM audit_log WHERE tenant_id = ? AND "
                       "principal = ? AND at <= ? AND who <> '' ORDER BY number LIMIT ?)",
                       person.pseudonym, person.tenant, person.principal, person.until, kAtOnce));
  return Erased{count, count == kAtOnce};
}

Result<std::vector<Name>> names(store::Reader& reader) {
  return reader.query("SELECT DISTINCT tenant_id, principal FROM audit_log WHERE who <> ''")
      .all([](const store::Row& row) { return Name{row.string(0), row.string(1)}; });
}

}  // namespace

personal::Place personalLines(store::Database& database) {
  return {.name = "audit-log",
          .doc =
              "Lines stay and keep their place in the chain; they lose the name, the address "
              "and the request id.",
          .tables = {"audit_log"},
          .show = [&database](const Person& person, const personal::Show& show,
                              Deadline deadline) -> Result<void> {
            const auto page = [&](std::string_view after) {
              return database.read(
                  [&](store::Reader& reader) { return lines(reader, person, after); }, deadline);
            };
            return personal::showPages(page, show);
          },
          .erase =
              [&database](const Person& person, Deadline deadline) {
                return database.write([&](store::Transaction& tx) { return erase(tx, person); },
                                      deadline);
              },
          .names = [&database](Deadline deadline) { return database.read(names, deadline); }};
}

}  // namespace corbel::audit
