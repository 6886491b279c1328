#include "models/registry_store.h"

#include <utility>

#include "base/id.h"
#include "base/text.h"

namespace corbel::models {
namespace {

// Tags are stored between line breaks, so that one can be searched for exactly: "\na\nb\n".
std::string joinTags(const std::vector<std::string>& tags) {
  std::string text = "\n";
  for (const std::string& tag : tags) text += tag + "\n";
  return text;
}

std::vector<std::string> splitTags(std::string_view text) {
  std::vector<std::string> tags;
  while (!text.empty()) {
    const auto tag = takeUntil(text, '\n');
    if (!tag.empty()) tags.emplace_back(tag);
  }
  return tags;
}

std::string tagPattern(std::string_view tag) {
  std::string pattern = "%\n";
  for (const char c : tag) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "\n%";
}

#define MODEL_COLUMNS                                                                          \
  "id, name, version, config, description, framework, category, input_schema, output_schema, " \
  "tags, card, "                                                                               \
  "revision, created_at, updated_at, archived_at"

Model modelOf(const store::Row& row) {
  Model model;
  model.id = row.string(0);
  model.name = row.string(1);
  model.latestVersion = row.integer<int>(2);
  model.configuration = row.string(3);
  model.description = row.string(4);
  model.framework = parseFramework(row.text(5)).value_or(Framework::onnx);
  model.category = row.string(6);
  model.inputSchema = row.string(7);
  model.outputSchema = row.string(8);
  model.tags = splitTags(row.text(9));
  model.card = row.string(10);
  model.revision = row.integer<int>(11);
  model.createdAt = row.time(12);
  model.updatedAt = row.time(13);
  model.archivedAt = row.optionalTime(14);
  return model;
}

#define VERSION_COLUMNS                                                                           \
  "id, model_id, number, artifact_sha256, artifact_bytes, signature, source, data_hash, parent, " \
  "notes, stage, created_by, "                                                                    \
  "created_at"

Version versionOf(const store::Row& row) {
  Version version;
  version.id = row.string(0);
  version.modelId = row.string(1);
  version.number = row.integer<int>(2);
  version.artifactSha256 = row.string(3);
  version.artifactBytes = row.integer(4);
  version.signature = row.string(5);
  version.source = row.string(6);
  version.dataHash = row.string(7);
  if (!row.isNull(8)) version.parent = row.integer<int>(8);
  version.notes = row.string(9);
  version.stage = parseStage(row.text(10)).value_or(Stage::none);
  version.createdBy = row.string(11);
  version.createdAt = row.time(12);
  return version;
}

AliasChange changeOf(const store::Row& row) {
  AliasChange change;
  change.alias = row.string(0);
  if (!row.isNull(1)) change.version = row.integer<int>(1);
  if (!row.isNull(2)) change.previous = row.integer<int>(2);
  change.changedBy = row.string(3);
  change.changedAt = row.time(4);
  return change;
}

// One page of a list in one order. The position is (value of the order's column, id) of the last
// item seen.
#define LIST_MODELS(column, comparison, direction)                        \
  "SELECT " MODEL_COLUMNS                                                 \
  " FROM ml_models WHERE tenant_id = ? AND (archived_at IS NOT NULL) = ?" \
  " AND (? IS NULL OR framework = ?) AND (? IS NULL OR category = ?)"     \
  " AND (? IS NULL OR tags LIKE ? ESCAPE '\\')"                           \
  " AND (? IS NULL OR (" column ", id) " comparison                       \
  " (?, ?))"                                                              \
  " ORDER BY " column " " direction ", id " direction " LIMIT ?"

template <class Position>
Result<std::vector<Model>> listBy(store::Reader& reader, store::Sql<12> sql,
                                  std::string_view tenant, const ModelQuery& query,
                                  const std::optional<Position>& after) {
  const auto pattern = query.tag ? std::optional(tagPattern(*query.tag)) : std::nullopt;
  return reader
      .query(sql, tenant, query.archived, query.framework, query.framework, query.category,
             query.category, query.tag, pattern, after, after, query.afterId, query.limit)
      .all(modelOf);
}

}  // namespace

Result<std::optional<Model>> RegistryReader::model(std::string_view ref) const {
  if (isUuid(ref)) {
    return reader_
        .query("SELECT " MODEL_COLUMNS " FROM ml_models WHERE tenant_id = ? AND id = ?", tenant_,
               ref)
        .one(modelOf);
  }
  return reader_
      .query("SELECT " MODEL_COLUMNS
             " FROM ml_models WHERE tenant_id = ? AND name = ? AND archived_at IS NULL",
             tenant_, ref)
      .one(modelOf);
}

Result<std::vector<Model>> RegistryReader::models(const ModelQuery& query) const {
  const bool down = query.descending;
  if (query.order == ModelOrder::name) {
    return down
               ? listBy(reader_, LIST_MODELS("name", "<", "DESC"), tenant_, query, query.afterValue)
               : listBy(reader_, LIST_MODELS("name", ">", "ASC"), tenant_, query, query.afterValue);
  }
  std::optional<std::int64_t> after;
  if (query.afterValue) after = parseNumber<std::int64_t>(*query.afterValue).value_or(0);
  if (query.order == ModelOrder::updated) {
    return down ? listBy(reader_, LIST_MODELS("updated_at", "<", "DESC"), tenant_, query, after)
                : listBy(reader_, LIST_MODELS("updated_at", ">", "ASC"), tenant_, query, after);
  }
  return down ? listBy(reader_, LIST_MODELS("created_at", "<", "DESC"), tenant_, query, after)
              : listBy(reader_, LIST_MODELS("created_at", ">", "ASC"), tenant_, query, after);
}

Result<std::int64_t> RegistryReader::countModels() const {
  CORBEL_TRY(
      const auto count,
      reader_
          .query("SELECT COUNT(*) FROM ml_models WHERE tenant_id = ? AND archived_at IS NULL",
                 tenant_)
          .one([](const store::Row& row) { return row.integer(0); }));
  return count.value_or(0);
}

Result<std::int64_t> RegistryReader::storedBytes() const {
  CORBEL_TRY(const auto bytes,
             reader_
                 .query("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM (SELECT DISTINCT "
                        "artifact_sha256, artifact_bytes AS bytes "
                        "FROM model_versions WHERE tenant_id = ?) AS artifacts",
                        tenant_)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return bytes.value_or(0);
}

Result<std::optional<Version>> RegistryReader::version(const std::string& modelId,
                                                       int number) const {
  return reader_
      .query("SELECT " VERSION_COLUMNS
             " FROM model_versions WHERE tenant_id = ? AND model_id = ? AND number = ?",
             tenant_, modelId, number)
      .one(versionOf);
}

Result<std::vector<Version>> RegistryReader::versions(const std::string& modelId,
                                                      const VersionQuery& query) const {
  const auto stage = query.stage ? std::optional(name(*query.stage)) : std::nullopt;
  return reader_
      .query("SELECT " VERSION_COLUMNS
             " FROM model_versions WHERE tenant_id = ? AND model_id = ? AND number < ? "
             "AND (? IS NULL OR stage = ?) ORDER BY number DESC LIMIT ?",
             tenant_, modelId, query.before, stage, stage, query.limit)
      .all(versionOf);
}

Result<std::vector<StageChange>> RegistryReader::stageChanges(const std::string& versionId,
                                                              int limit) const {
  return reader_
      .query(
          "SELECT stage, previous, changed_by, changed_at FROM model_stage_changes "
          "WHERE tenant_id = ? AND version_id = ? ORDER BY id DESC LIMIT ?",
          tenant_, versionId, limit)
      .all([](const store::Row& row) {
        return StageChange{parseStage(row.text(0)).value_or(Stage::none),
                           parseStage(row.text(1)).value_or(Stage::none), row.string(2),
                           row.time(3)};
      });
}

Result<std::optional<int>> RegistryReader::alias(const std::string& modelId,
                                                 std::string_view alias) const {
  return reader_
      .query("SELECT version FROM model_aliases WHERE tenant_id = ? AND model_id = ? AND alias = ?",
             tenant_, modelId, alias)
      .one([](const store::Row& row) { return row.integer<int>(0); });
}

Result<std::vector<Alias>> RegistryReader::aliases(const std::string& modelId) const {
  return reader_
      .query(
          "SELECT alias, version, updated_at FROM model_aliases WHERE tenant_id = ? AND model_id = "
          "? ORDER BY alias",
          tenant_, modelId)
      .all([](const store::Row& row) {
        return Alias{row.string(0), row.integer<int>(1), row.time(2)};
      });
}

Result<std::vector<AliasChange>> RegistryReader::changes(const std::string& modelId,
                                                         int limit) const {
  return reader_
      .query(
          "SELECT alias, version, previous, changed_by, changed_at FROM model_alias_changes "
          "WHERE tenant_id = ? AND model_id = ? ORDER BY id DESC LIMIT ?",
          tenant_, modelId, limit)
      .all(changeOf);
}

Result<std::optional<AliasChange>> RegistryReader::lastChange(const std::string& modelId,
                                                              std::string_view alias) const {
  return reader_
      .query(
          "SELECT alias, version, previous, changed_by, changed_at FROM model_alias_changes "
          "WHERE tenant_id = ? AND model_id = ? AND alias = ? ORDER BY id DESC LIMIT 1",
          tenant_, modelId, alias)
      .one(changeOf);
}

Result<void> RegistryWriter::insert(const Model& model) {
  return tx_.execute("INSERT INTO ml_models (" MODEL_COLUMNS
                     ", tenant_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     model.id, model.name, model.latestVersion, model.configuration,
                     model.description, name(model.framework), model.category, model.inputSchema,
                     model.outputSchema, joinTags(model.tags), model.card, model.revision,
                     model.createdAt, model.updatedAt, model.archivedAt, tenant_);
}

Result<bool> RegistryWriter::update(const Model& model, int expectedRevision) {
  CORBEL_TRY(
      const auto changed,
      tx_.change(
          "UPDATE ml_models SET name = ?, version = ?, config = ?, description = ?, framework = ?, "
          "category = ?, input_schema = ?, output_schema = ?, tags = ?, card = ?, revision = ?, "
          "updated_at = ?, archived_at = ? WHERE tenant_id = ? AND id = ? AND revision = ?",
          model.name, model.latestVersion, model.configuration, model.description,
          name(model.framework), model.category, model.inputSchema, model.outputSchema,
          joinTags(model.tags), model.card, model.revision, model.updatedAt, model.archivedAt,
          tenant_, model.id, expectedRevision));
  return changed == 1;
}

Result<void> RegistryWriter::insert(const Version& version) {
  return tx_.execute("INSERT INTO model_versions (" VERSION_COLUMNS
                     ", tenant_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     version.id, version.modelId, version.number, version.artifactSha256,
                     version.artifactBytes, version.signature, version.source, version.dataHash,
                     version.parent, version.notes, name(version.stage), version.createdBy,
                     version.createdAt, tenant_);
}

Result<void> RegistryWriter::setStage(const std::string& versionId, const StageChange& change,
                                      const std::string& changeId) {
  CORBEL_CHECK(tx_.execute("UPDATE model_versions SET stage = ? WHERE tenant_id = ? AND id = ?",
                           name(change.stage), tenant_, versionId));
  return tx_.execute(
      "INSERT INTO model_stage_changes (id, tenant_id, version_id, stage, previous, changed_by, "
      "changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      changeId, tenant_, versionId, name(change.stage), name(change.previous), change.changedBy,
      change.changedAt);
}

Result<void> RegistryWriter::setAlias(const std::string& modelId, const AliasChange& change,
                                      const std::string& changeId) {
  if (change.version) {
    CORBEL_CHECK(
        tx_.execute("INSERT INTO model_aliases (tenant_id, model_id, alias, version, updated_at) "
                    "VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (model_id, alias) DO UPDATE SET version = excluded.version, "
                    "updated_at = excluded.updated_at",
                    tenant_, modelId, change.alias, *change.version, change.changedAt));
  } else {
    CORBEL_CHECK(
        tx_.execute("DELETE FROM model_aliases WHERE tenant_id = ? AND model_id = ? AND alias = ?",
                    tenant_, modelId, change.alias));
  }
  return tx_.execute(
      "INSERT INTO model_alias_changes (id, tenant_id, model_id, alias, version, previous, "
      "changed_by, changed_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      changeId, tenant_, modelId, change.alias, change.version, change.previous, change.changedBy,
      change.changedAt);
}

}  // namespace corbel::models
