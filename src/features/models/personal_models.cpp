#include "models/personal_models.h"

#include <string_view>
#include <utility>
#include <vector>

namespace corbel::models {
namespace {

using personal::Erased;
using personal::kAtOnce;
using personal::Name;
using personal::Person;
using personal::Record;
using personal::Thing;
using Things = Result<std::vector<Thing>>;

Thing thingOfVersion(const store::Row& row) {
  Record record;
  record.text("version", row.text(0)).text("model", row.text(1)).number("number", row.integer(2));
  record.text("notes", row.text(3)).text("source", row.text(4)).time("createdAt", row.time(5));
  return {row.string(0), record.finish()};
}

Thing thingOfAliasChange(const store::Row& row) {
  Record record;
  record.text("aliasChange", row.text(0)).text("model", row.text(1)).text("alias", row.text(2));
  record.time("changedAt", row.time(3));
  return {row.string(0), record.finish()};
}

Thing thingOfStageChange(const store::Row& row) {
  Record record;
  record.text("stageChange", row.text(0)).text("version", row.text(1)).text("stage", row.text(2));
  record.time("changedAt", row.time(3));
  return {row.string(0), record.finish()};
}

Things versions(store::Reader& reader, const Person& person, std::string_view after) {
  return reader
      .query(
          "SELECT id, model_id, number, notes, source, created_at FROM model_versions WHERE "
          "tenant_id = ? AND id > ? AND created_by = ? AND created_at <= ? ORDER BY id LIMIT ?",
          person.tenant, after, person.principal, person.until, kAtOnce)
      .all(thingOfVersion);
}

Things aliasChanges(store::Reader& reader, const Person& person, std::string_view after) {
  return reader
      .query(
          "SELECT id, model_id, alias, changed_at FROM model_alias_changes WHERE tenant_id = ? "
          "AND id > ? AND changed_by = ? AND changed_at <= ? ORDER BY id LIMIT ?",
          person.tenant, after, person.principal, person.until, kAtOnce)
      .all(thingOfAliasChange);
}

Things stageChanges(store::Reader& reader, const Person& person, std::string_view after) {
  return reader
      .query(
          "SELECT id, version_id, stage, changed_at FROM model_stage_changes WHERE tenant_id = "
          "? AND id > ? AND changed_by = ? AND changed_at <= ? ORDER BY id LIMIT ?",
          person.tenant, after, person.principal, person.until, kAtOnce)
      .all(thingOfStageChange);
}

Result<void> show(store::Database& database, const Person& person, const personal::Show& show,
                  Deadline deadline) {
  for (const auto find : {versions, aliasChanges, stageChanges}) {
    const auto page = [&](std::string_view after) {
      return database.read([&](store::Reader& reader) { return find(reader, person, after); },
                           deadline);
    };
    CORBEL_CHECK(personal::showPages(page, show));
  }
  return {};
}

// What they wrote about a version is theirs, the version is the tenant's.
Result<Erased> erase(store::Transaction& tx, const Person& person) {
  CORBEL_TRY(const auto versions,
             tx.change("UPDATE model_versions SET created_by = ?, notes = '' WHERE tenant_id = ? "
                       "AND created_by = ? AND created_at <= ?",
                       person.pseudonym, person.tenant, person.principal, person.until));
  CORBEL_TRY(const auto aliases,
             tx.change("UPDATE model_alias_changes SET changed_by = ? WHERE tenant_id = ? AND "
                       "changed_by = ? AND changed_at <= ?",
                       person.pseudonym, person.tenant, person.principal, person.until));
  CORBEL_TRY(const auto stages,
             tx.change("UPDATE model_stage_changes SET changed_by = ? WHERE tenant_id = ? AND "
                       "changed_by = ? AND changed_at <= ?",
                       person.pseudonym, person.tenant, person.principal, person.until));
  return Erased{versions + aliases + stages};
}

Result<std::vector<Name>> names(store::Reader& reader) {
  return reader
      .query(
          "SELECT tenant_id, created_by FROM model_versions UNION SELECT tenant_id, changed_by "
          "FROM model_alias_changes UNION SELECT tenant_id, changed_by FROM "
          "model_stage_changes")
      .all([](const store::Row& row) { return Name{row.string(0), row.string(1)}; });
}

}  // namespace

personal::Place personalModels(store::Database& database) {
  return {.name = "models",
          .doc =
              "Versions, aliases and stages stay, without the name; the notes that the person "
              "wrote about versions are removed.",
          .tables = {"model_versions", "model_alias_changes", "model_stage_changes"},
          .show = [&database](const Person& person, const personal::Show& to,
                              Deadline deadline) { return show(database, person, to, deadline); },
          .erase =
              [&database](const Person& person, Deadline deadline) {
                return database.write([&](store::Transaction& tx) { return erase(tx, person); },
                                      deadline);
              },
          .names = [&database](Deadline deadline) { return database.read(names, deadline); }};
}

}  // namespace corbel::models
