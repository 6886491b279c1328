// The model registry: what models and versions a tenant has and which version an alias means. Owns
// the tables of models_migrations.h. Knows no engine: versions are registered after somebody opened
// the artifact.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "events/events.h"
#include "models/entities.h"
#include "store/store.h"

namespace corbel::models {

// For whom, by whom and until when. Views must outlive the call.
struct Scope {
  std::string_view tenant;
  std::string_view actor;  // who is recorded as having done it
  Deadline deadline;
};

enum class ModelOrder : std::uint8_t { created, name, updated };

struct ModelQuery {
  ModelOrder order = ModelOrder::created;
  bool descending = true;
  int limit = 50;
  std::optional<std::string> framework;
  std::optional<std::string> category;
  std::optional<std::string> tag;
  bool archived = false;  // list the archived ones instead
  // The position after which the page starts: the order's value (a number as text) and the id of
  // the last item.
  std::optional<std::string> afterValue;
  std::string afterId;
};

struct NewModel {
  std::string name;
  std::string description;
  Framework framework = Framework::onnx;
  std::string category;
  std::string configuration = "{}";
  std::string inputSchema;
  std::string outputSchema;
  std::vector<std::string> tags;
  std::string card;
};

struct VersionQuery {
  int before = std::numeric_limits<int>::max();  // numbers below it
  int limit = 50;
  std::optional<Stage> stage;
};

struct NewVersion {
  std::string artifactSha256;
  std::int64_t artifactBytes = 0;
  std::string signature;
  std::string source;
  std::string dataHash;
  std::optional<int> parent;
  std::string notes;
};

// Of the whole tenant; none: unlimited.
struct Quota {
  std::optional<std::int64_t> models;
  std::optional<std::int64_t> storageBytes;
};

// Which version a caller means: a number, or an alias; neither: the champion, else the latest.
struct VersionRef {
  std::optional<int> number;
  std::string alias;
};

// What a listener learns: settings, versions or aliases are other than before, or the model is out
// of use.
enum class ModelEvent : std::uint8_t { changed, archived };

inline constexpr std::size_t kMaxAliases = 64;  // of one model

struct ResolvedVersion {
  Model model;
  Version version;
};

// Thread-safe; every function waits for the store. A model is named by id or name (`ref`).
// not_found everywhere: it does not exist or belongs to another tenant. Errors of the store pass
// through.
class Registry {
 public:
  // Every change is an event of the outbox (event_types.h), written with it; none: nobody is told.
  Registry(store::Database& database, IdSource& ids, const Clock& clock,
           const events::Outbox* outbox = nullptr)
      : database_(database), ids_(ids), clock_(clock), outbox_(outbox) {}

  using Listener =
      std::function<void(ModelEvent event, const std::string& tenant, const std::string& modelId)>;
  // Told after each commit. Set before the first call.
  void onChange(Listener listener) { listener_ = std::move(listener); }

  // already_exists: the name is taken. resource_exhausted: the tenant's quota of models is used up.
  Result<Model> create(const Scope& scope, NewModel model, const Quota& quota);
  Result<Model> find(const Scope& scope, std::string_view ref) const;
  Result<std::vector<Model>> list(const Scope& scope, const ModelQuery& query) const;
  // `change` edits a copy; the id, versions and times stay. failed_precondition: `expectedRevision`
  // is given and is not the current one. aborted: somebody else changed it in between.
  // unprocessable: it declares other classes than the latest version, or one with an alias, has.
  Result<Model> change(const Scope& scope, std::string_view ref,
                       std::optional<int> expectedRevision,
                       const std::function<Result<void>(Model&)>& change);
  // The model leaves lists and predictions and frees its name; its rows stay. A second time:
  // not_found. `expectedRevision` as in change().
  Result<void> archive(const Scope& scope, std::string_view ref,
                       std::optional<int> expectedRevision = std::nullopt);

  // Takes the next number; the first version becomes the champion. unprocessable: the parent does
  // not exist. insufficient_storage: with it the tenant's versions would hold more than the quota.
  Result<Version> addVersion(const Scope& scope, std::string_view ref, NewVersion version,
                             const Quota& quota);
  // Artifact bytes of all the tenant's versions; each content counts once.
  Result<std::int64_t> storedBytes(const Scope& scope) const;
  // Whether a version of any tenant has this artifact.
  static Result<bool> isReferenced(store::Reader& reader, std::string_view artifactSha256);
  Result<Version> version(const Scope& scope, std::string_view ref, int number) const;
  // Newest first.
  Result<std::vector<Version>> versions(const Scope& scope, std::string_view ref,
                                        const VersionQuery& query) const;
  // `decide` sees the version as it is and says its stage from now on; its error passes through.
  // Where that is its stage already nothing happens.
  Result<Version> changeStage(const Scope& scope, std::string_view ref, int number,
                              const std::function<Result<Stage>(const Version&)>& decide);
  // Newest first.
  Result<std::vector<StageChange>> stageHistory(const Scope& scope, std::string_view ref,
                                                int number, int limit) const;
  Result<ResolvedVersion> resolve(const Scope& scope, std::string_view ref,
                                  const VersionRef& which) const;

  Result<std::vector<Alias>> aliases(const Scope& scope, std::string_view ref) const;
  // Points the alias at a version, or removes it (no version). Where it points there already
  // nothing happens: the answer is the move that brought it there, so that repeating a promotion
  // does not cost the way back. unprocessable: the model has kMaxAliases.
  Result<AliasChange> promote(const Scope& scope, std::string_view ref, std::string_view alias,
                              std::optional<int> version);
  // Points the alias back at where it was before its last move, which is a move too: a second roll
  // back undoes the first. unprocessable: it never moved, or was unset then; or it is unset now,
  // and the model has kMaxAliases.
  Result<AliasChange> rollBack(const Scope& scope, std::string_view ref, std::string_view alias);
  Result<std::vector<AliasChange>> history(const Scope& scope, std::string_view ref,
                                           int limit) const;

 private:
  // Within the unit of work that makes the change; `more` are members of the data besides id and
  // name.
  Result<void> tell(store::Transaction& tx, const Scope& scope, const events::EventType& type,
                    const Model& model, std::initializer_list<events::DataMember> more) const;
  Result<void> tellMove(store::Transaction& tx, const Scope& scope, const Model& model,
                        const AliasChange& change) const;
  void wakeOutbox() const {
    if (outbox_ != nullptr) outbox_->wake();
  }
  void announce(ModelEvent event, const Scope& scope, const std::string& modelId) const;
  AliasChange makeChange(const Scope& scope, std::string_view alias, std::optional<int> version,
                         std::optional<int> previous) const;

  store::Database& database_;
  IdSource& ids_;
  const Clock& clock_;
  const events::Outbox* outbox_;
  Listener listener_;
};

}  // namespace corbel::models
