#include "models/registry.h"

#include <set>
#include <utility>

#include "models/declaration.h"
#include "models/registry_store.h"
#include "models/signature_json.h"

namespace corbel::models {
namespace {

std::unexpected<Error> noModel(std::string_view ref) {
  return fail(ErrorCode::notFound, "There is no model '" + std::string(ref) + "'.");
}

std::unexpected<Error> noVersion(const Model& model, int number) {
  if (model.latestVersion == 0) {
    return fail(ErrorCode::notFound,
                "Model '" + model.name + "' has no version yet; upload the first one.");
  }
  return fail(ErrorCode::notFound, "Model '" + model.name + "' has no version " +
                                       std::to_string(number) + "; the latest is " +
                                       std::to_string(model.latestVersion) + ".");
}

Result<Model> require(const RegistryReader& reader, std::string_view ref) {
  CORBEL_TRY(auto model, reader.model(ref));
  if (!model) return noModel(ref);
  return std::move(*model);
}

// Archived models stay readable by id but take part in nothing.
Result<Model> requireActive(const RegistryReader& reader, std::string_view ref) {
  CORBEL_TRY(auto model, require(reader, ref));
  if (model.archivedAt) return noModel(ref);
  return model;
}

Result<Version> requireVersion(const RegistryReader& reader, const Model& model, int number) {
  CORBEL_TRY(auto version, reader.version(model.id, number));
  if (!version) return noVersion(model, number);
  return std::move(*version);
}

Result<int> versionNumber(const RegistryReader& reader, const Model& model,
                          const VersionRef& which) {
  if (which.number) return *which.number;
  CORBEL_TRY(
      const auto number,
      reader.alias(model.id, which.alias.empty() ? kChampion : std::string_view(which.alias)));
  if (number) return *number;
  if (which.alias.empty()) return model.latestVersion;
  return fail(ErrorCode::notFound,
              "Model '" + model.name + "' has no alias '" + which.alias + "'.");
}

// Within the transaction that added the version, so that uploads at the same time cannot pass the
// quota together.
Result<void> checkStorage(const RegistryReader& reader, const Quota& quota) {
  if (!quota.storageBytes) return {};
  CORBEL_TRY(const std::int64_t stored, reader.storedBytes());
  if (stored <= *quota.storageBytes) return {};
  return fail(ErrorCode::insufficientStorage,
              "With this file the tenant would use more than its storage of " +
                  std::to_string(*quota.storageBytes) + " bytes.");
}

Result<void> checkAliasCount(const RegistryReader& reader, const Model& model) {
  CORBEL_TRY(const auto aliases, reader.aliases(model.id));
  if (aliases.size() < kMaxAliases) return {};
  return fail(ErrorCode::unprocessable, "Model '" + model.name + "' has " +
                                            std::to_string(kMaxAliases) +
                                            " aliases, the most allowed; remove one.");
}

// Versions that predictions may be asked of without a number.
Result<std::set<int>> versionsInUse(const RegistryReader& reader, const Model& model) {
  std::set<int> numbers;
  if (model.latestVersion > 0) numbers.insert(model.latestVersion);
  CORBEL_TRY(const auto aliases, reader.aliases(model.id));
  for (const Alias& alias : aliases) numbers.insert(alias.version);
  return numbers;
}

Result<void> checkLabelsOfVersions(const RegistryReader& reader, const Model& model) {
  CORBEL_TRY(const auto declaration, parseDeclaration(model));
  CORBEL_TRY(const auto numbers, versionsInUse(reader, model));
  for (const int number : numbers) {
    CORBEL_TRY(const auto version, requireVersion(reader, model, number));
    const auto signature = parseSignature(version.signature);
    if (signature) CORBEL_CHECK(checkLabels(declaration.labels, *signature));
  }
  return {};
}

// Any alias that points somewhere was moved there.
Result<AliasChange> lastMove(const RegistryReader& reader, const Model& model,
                             std::string_view alias) {
  CORBEL_TRY(auto last, reader.lastChange(model.id, alias));
  if (!last) return fail(ErrorCode::internal, "The alias has no history.");
  return *std::move(last);
}

}  // namespace

Result<Model> Registry::create(const Scope& scope, NewModel model, const Quota& quota) {
  const Timestamp now = clock_.now();
  Model created{.id = ids_.next(),
                .name = std::move(model.name),
                .description = std::move(model.description),
                .framework = model.framework,
                .category = std::move(model.category),
                .configuration = std::move(model.configuration),
                .inputSchema = std::move(model.inputSchema),
                .outputSchema = std::move(model.outputSchema),
                .tags = std::move(model.tags),
                .card = std::move(model.card),
                .createdAt = now,
                .updatedAt = now,
                .archivedAt = std::nullopt};
  auto written = database_.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const auto count, RegistryReader(tx, scope.tenant).countModels());
        if (quota.models && count >= *quota.models) {
          return fail(ErrorCode::resourceExhausted,
                      "This tenant may have " + std::to_string(*quota.models) +
                          " models. Archive one, or ask for a higher quota.");
        }
        CORBEL_CHECK(RegistryWriter(tx, scope.tenant).insert(created));
        return tell(tx, scope, events::kModelCreated, created, {});
      },
      scope.deadline);
  if (!written && written.error().code == ErrorCode::alreadyExists) {
    return failField(
        "/name", "is taken by another model; choose another name or add a version to that model",
        ErrorCode::alreadyExists);
  }
  CORBEL_CHECK(std::move(written));
  wakeOutbox();
  return created;
}

Result<Model> Registry::find(const Scope& scope, std::string_view ref) const {
  return database_.read(
      [&](store::Reader& reader) { return require(RegistryReader(reader, scope.tenant), ref); },
      scope.deadline);
}

Result<std::vector<Model>> Registry::list(const Scope& scope, const ModelQuery& query) const {
  return database_.read(
      [&](store::Reader& reader) { return RegistryReader(reader, scope.tenant).models(query); },
      scope.deadline);
}

Result<Model> Registry::change(const Scope& scope, std::string_view ref,
                               std::optional<int> expectedRevision,
                               const std::function<Result<void>(Model&)>& change) {
  auto changed = database_.write(
      [&](store::Transaction& tx) -> Result<Model> {
        CORBEL_TRY(auto model, requireActive(RegistryReader(tx, scope.tenant), ref));
        if (expectedRevision && *expectedRevision != model.revision) {
          return fail(ErrorCode::failedPrecondition,
                      "The model was changed since; read it again and repeat the change.");
        }
        const std::string outputSchema = model.outputSchema;
        CORBEL_CHECK(change(model));
        if (model.outputSchema != outputSchema)
          CORBEL_CHECK(checkLabelsOfVersions(RegistryReader(tx, scope.tenant), model));
        const int before = model.revision++;
        model.updatedAt = clock_.now();
        CORBEL_TRY(const bool updated, RegistryWriter(tx, scope.tenant).update(model, before));
        if (!updated)
          return fail(ErrorCode::aborted, "The model was changed at the same time; try again.");
        CORBEL_CHECK(tell(tx, scope,
                          model.archivedAt ? events::kModelArchived : events::kModelChanged, model,
                          {{"revision", model.revision}}));
        return model;
      },
      scope.deadline);
  if (!changed && changed.error().code == ErrorCode::alreadyExists) {
    return failField("/name", "is taken by another model", ErrorCode::alreadyExists);
  }
  if (changed)
    announce(changed->archivedAt ? ModelEvent::archived : ModelEvent::changed, scope, changed->id);
  return changed;
}

Result<void> Registry::archive(const Scope& scope, std::string_view ref,
                               std::optional<int> expectedRevision) {
  CORBEL_CHECK(change(scope, ref, expectedRevision, [&](Model& model) -> Result<void> {
    model.archivedAt = clock_.now();
    return {};
  }));
  return {};
}

Result<Version> Registry::addVersion(const Scope& scope, std::string_view ref, NewVersion fresh,
                                     const Quota& quota) {
  Version version{.id = ids_.next(),
                  .modelId = {},
                  .artifactSha256 = std::move(fresh.artifactSha256),
                  .artifactBytes = fresh.artifactBytes,
                  .signature = std::move(fresh.signature),
                  .source = std::move(fresh.source),
                  .dataHash = std::move(fresh.dataHash),
                  .parent = fresh.parent,
                  .notes = std::move(fresh.notes),
                  .stage = Stage::none,
                  .createdBy = std::string(scope.actor),
                  .createdAt = clock_.now()};
  CORBEL_CHECK(database_.write(
      [&](store::Transaction& tx) -> Result<void> {
        const RegistryReader reader(tx, scope.tenant);
        RegistryWriter writer(tx, scope.tenant);
        CORBEL_TRY(auto model, requireActive(reader, ref));
        if (version.parent && (*version.parent < 1 || *version.parent > model.latestVersion)) {
          return failField("/parent", "is not a version of this model", ErrorCode::unprocessable);
        }
        const int before = model.revision++;
        version.modelId = model.id;
        version.number = ++model.latestVersion;
        model.updatedAt = version.createdAt;
        CORBEL_TRY(const bool updated, writer.update(model, before));
        if (!updated)
          return fail(ErrorCode::aborted, "The model was changed at the same time; try again.");
        CORBEL_CHECK(writer.insert(version));
        CORBEL_CHECK(checkStorage(reader, quota));
        CORBEL_CHECK(tell(tx, scope, events::kVersionAdded, model,
                          {{"version", version.number}, {"sha256", version.artifactSha256}}));
        if (version.number > 1) return {};
        const AliasChange first = makeChange(scope, kChampion, 1, std::nullopt);
        CORBEL_CHECK(writer.setAlias(model.id, first, ids_.next()));
        return tellMove(tx, scope, model, first);
      },
      scope.deadline));
  announce(ModelEvent::changed, scope, version.modelId);
  return version;
}

Result<std::int64_t> Registry::storedBytes(const Scope& scope) const {
  return database_.read(
      [&](store::Reader& reader) { return RegistryReader(reader, scope.tenant).storedBytes(); },
      scope.deadline);
}

Result<bool> Registry::isReferenced(store::Reader& reader, std::string_view artifactSha256) {
  CORBEL_TRY(
      const auto found,
      reader.query("SELECT 1 FROM model_versions WHERE artifact_sha256 = ? LIMIT 1", artifactSha256)
          .one([](const store::Row& row) { return row.integer(0); }));
  return found.has_value();
}

Result<Version> Registry::version(const Scope& scope, std::string_view ref, int number) const {
  return database_.read(
      [&](store::Reader& reader) -> Result<Version> {
        const RegistryReader registry(reader, scope.tenant);
        CORBEL_TRY(const auto model, require(registry, ref));
        return requireVersion(registry, model, number);
      },
      scope.deadline);
}

Result<std::vector<Version>> Registry::versions(const Scope& scope, std::string_view ref,
                                                const VersionQuery& query) const {
  return database_.read(
      [&](store::Reader& reader) -> Result<std::vector<Version>> {
        const RegistryReader registry(reader, scope.tenant);
        CORBEL_TRY(const auto model, require(registry, ref));
        return registry.versions(model.id, query);
      },
      scope.deadline);
}

Result<Version> Registry::changeStage(const Scope& scope, std::string_view ref, int number,
                                      const std::function<Result<Stage>(const Version&)>& decide) {
  auto changed = database_.write(
      [&](store::Transaction& tx) -> Result<Version> {
        const RegistryReader registry(tx, scope.tenant);
        CORBEL_TRY(const auto model, requireActive(registry, ref));
        CORBEL_TRY(auto version, requireVersion(registry, model, number));
        CORBEL_TRY(const Stage stage, decide(version));
        if (stage == version.stage) return version;
        const StageChange change{stage, version.stage, std::string(scope.actor), clock_.now()};
        CORBEL_CHECK(RegistryWriter(tx, scope.tenant).setStage(version.id, change, ids_.next()));
        CORBEL_CHECK(tell(tx, scope, events::kStageChanged, model,
                          {{"version", version.number},
                           {"stage", name(stage)},
                           {"previous", name(version.stage)}}));
        version.stage = stage;
        return version;
      },
      scope.deadline);
  if (changed) wakeOutbox();
  return changed;
}

Result<std::vector<StageChange>> Registry::stageHistory(const Scope& scope, std::string_view ref,
                                                        int number, int limit) const {
  return database_.read(
      [&](store::Reader& reader) -> Result<std::vector<StageChange>> {
        const RegistryReader registry(reader, scope.tenant);
        CORBEL_TRY(const auto model, require(registry, ref));
        CORBEL_TRY(const auto version, requireVersion(registry, model, number));
        return registry.stageChanges(version.id, limit);
      },
      scope.deadline);
}

Result<ResolvedVersion> Registry::resolve(const Scope& scope, std::string_view ref,
                                          const VersionRef& which) const {
  return database_.read(
      [&](store::Reader& reader) -> Result<ResolvedVersion> {
        const RegistryReader registry(reader, scope.tenant);
        CORBEL_TRY(auto model, requireActive(registry, ref));
        CORBEL_TRY(const int number, versionNumber(registry, model, which));
        CORBEL_TRY(auto version, requireVersion(registry, model, number));
        return ResolvedVersion{std::move(model), std::move(version)};
      },
      scope.deadline);
}

Result<std::vector<Alias>> Registry::aliases(const Scope& scope, std::string_view ref) const {
  return database_.read(
      [&](store::Reader& reader) -> Result<std::vector<Alias>> {
        const RegistryReader registry(reader, scope.tenant);
        CORBEL_TRY(const auto model, require(registry, ref));
        return registry.aliases(model.id);
      },
      scope.deadline);
}

Result<AliasChange> Registry::promote(const Scope& scope, std::string_view ref,
                                      std::string_view alias, std::optional<int> version) {
  std::string movedModel;
  auto change = database_.write(
      [&](store::Transaction& tx) -> Result<AliasChange> {
        const RegistryReader registry(tx, scope.tenant);
        movedModel.clear();
        CORBEL_TRY(const auto model, requireActive(registry, ref));
        if (version) CORBEL_CHECK(requireVersion(registry, model, *version));
        CORBEL_TRY(const auto previous, registry.alias(model.id, alias));
        if (!version && !previous) {
          return fail(ErrorCode::notFound,
                      "Model '" + model.name + "' has no alias '" + std::string(alias) + "'.");
        }
        if (version == previous) return lastMove(registry, model, alias);
        if (!previous) CORBEL_CHECK(checkAliasCount(registry, model));
        auto made = makeChange(scope, alias, version, previous);
        CORBEL_CHECK(RegistryWriter(tx, scope.tenant).setAlias(model.id, made, ids_.next()));
        CORBEL_CHECK(tellMove(tx, scope, model, made));
        movedModel = model.id;
        return made;
      },
      scope.deadline);
  if (change && !movedModel.empty()) announce(ModelEvent::changed, scope, movedModel);
  return change;
}

Result<AliasChange> Registry::rollBack(const Scope& scope, std::string_view ref,
                                       std::string_view alias) {
  std::string modelId;
  auto change = database_.write(
      [&](store::Transaction& tx) -> Result<AliasChange> {
        const RegistryReader registry(tx, scope.tenant);
        CORBEL_TRY(const auto model, requireActive(registry, ref));
        modelId = model.id;
        CORBEL_TRY(const auto last, registry.lastChange(model.id, alias));
        if (!last || !last->previous) {
          return fail(ErrorCode::unprocessable,
                      "Alias '" + std::string(alias) + "' has no earlier version to go back to.");
        }
        if (!last->version) CORBEL_CHECK(checkAliasCount(registry, model));
        auto made = makeChange(scope, alias, last->previous, last->version);
        CORBEL_CHECK(RegistryWriter(tx, scope.tenant).setAlias(model.id, made, ids_.next()));
        CORBEL_CHECK(tellMove(tx, scope, model, made));
        return made;
      },
      scope.deadline);
  if (change) announce(ModelEvent::changed, scope, modelId);
  return change;
}

Result<std::vector<AliasChange>> Registry::history(const Scope& scope, std::string_view ref,
                                                   int limit) const {
  return database_.read(
      [&](store::Reader& reader) -> Result<std::vector<AliasChange>> {
        const RegistryReader registry(reader, scope.tenant);
        CORBEL_TRY(const auto model, require(registry, ref));
        return registry.changes(model.id, limit);
      },
      scope.deadline);
}

AliasChange Registry::makeChange(const Scope& scope, std::string_view alias,
                                 std::optional<int> version, std::optional<int> previous) const {
  return {std::string(alias), version, previous, std::string(scope.actor), clock_.now()};
}

}  // namespace corbel::models
