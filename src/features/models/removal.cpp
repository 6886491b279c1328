#include "models/removal.h"

#include <utility>

namespace corbel::models {
namespace {

struct Candidate {
  std::string id;
  std::string name;
};

Result<std::vector<Candidate>> candidates(store::Reader& reader, std::string_view tenant,
                                          std::string_view maker) {
  return reader
      .query(
          "SELECT id, name FROM ml_models WHERE tenant_id = ? AND id IN (SELECT model_id FROM "
          "model_versions WHERE created_by = ?) ORDER BY name",
          tenant, maker)
      .all([](const store::Row& row) { return Candidate{row.string(0), row.string(1)}; });
}

Result<bool> isSharedWithOthers(store::Reader& reader, const std::string& model,
                                std::string_view maker) {
  CORBEL_TRY(
      const auto other,
      reader
          .query("SELECT 1 WHERE EXISTS (SELECT 1 FROM model_versions WHERE model_id = ? AND "
                 "created_by <> ?) OR EXISTS (SELECT 1 FROM model_alias_changes WHERE "
                 "model_id = ? AND changed_by <> ?) OR EXISTS (SELECT 1 FROM "
                 "model_stage_changes WHERE changed_by <> ? AND version_id IN (SELECT id "
                 "FROM model_versions WHERE model_id = ?))",
                 model, maker, model, maker, maker, model)
          .one([](const store::Row& row) { return row.integer(0); }));
  return other.has_value();
}

Result<void> remove(store::Transaction& tx, const std::string& model, const LetGo& letGo) {
  CORBEL_TRY(
      const auto files,
      tx.query("SELECT DISTINCT artifact_sha256 FROM model_versions WHERE model_id = ?", model)
          .all([](const store::Row& row) { return row.string(0); }));
  for (const std::string& file : files) CORBEL_CHECK(letGo(tx, file));
  CORBEL_CHECK(tx.execute(
      "DELETE FROM model_stage_changes WHERE version_id IN (SELECT id FROM model_versions WHERE "
      "model_id = ?)",
      model));
  CORBEL_CHECK(tx.execute("DELETE FROM model_alias_changes WHERE model_id = ?", model));
  CORBEL_CHECK(tx.execute("DELETE FROM model_aliases WHERE model_id = ?", model));
  CORBEL_CHECK(tx.execute("DELETE FROM model_versions WHERE model_id = ?", model));
  return tx.execute("DELETE FROM ml_models WHERE id = ?", model);
}

}  // namespace

Result<bool> hasMade(store::Database& database, std::string_view tenant, std::string_view maker,
                     Deadline deadline) {
  return database.read(
      [&](store::Reader& reader) -> Result<bool> {
        CORBEL_TRY(const auto found, candidates(reader, tenant, maker));
        return !found.empty();
      },
      deadline);
}

Result<Removed> removeMadeBy(store::Database& database, std::string_view tenant,
                             std::string_view maker, const LetGo& letGo, Deadline deadline) {
  return database.write(
      [&](store::Transaction& tx) -> Result<Removed> {
        Removed removed;
        CORBEL_TRY(const auto found, candidates(tx, tenant, maker));
        for (const Candidate& model : found) {
          CORBEL_TRY(const bool shared, isSharedWithOthers(tx, model.id, maker));
          (shared ? removed.kept : removed.models).push_back(model.name);
          if (!shared) CORBEL_CHECK(remove(tx, model.id, letGo));
        }
        return removed;
      },
      deadline);
}

}  // namespace corbel::models
