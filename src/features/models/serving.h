// Model versions in memory, ready to predict: found by what callers write (name or id, version or
// alias), loaded on first use, given back when the cache is full or on demand.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "inference/input_plan.h"
#include "inference/model.h"
#include "models/entities.h"
#include "models/fallback.h"
#include "models/parking.h"
#include "models/registry.h"
#include "resilience/dependency.h"
#include "telemetry/metrics.h"

namespace corbel::models {

// What predictions of one model of one tenant count. Looked up when the model is made ready: a
// prediction finds its numbers without comparing labels.
struct ModelMetrics {
  ModelMetrics(metrics::Metrics& metrics, std::string_view tenant, std::string_view model);
  metrics::Counter& answered;  // by the model itself: status "ok"
  metrics::Counter& cacheHits;
  metrics::Histogram& inferenceDuration;
  metrics::Histogram& inferenceTime;
};

// One version with everything a prediction needs. Immutable but for its time of last use.
struct ServedModel {
  std::string tenant;
  std::string modelId;
  std::string modelName;
  std::string versionId;
  int version = 0;
  int modelRevision = 0;  // of the settings that plan, labels and cacheTtl were made from
  std::string artifactSha256;
  std::shared_ptr<const inference::Model> engine;
  inference::InputPlan plan;
  std::vector<std::string>
      labels;  // JSON values the registrant gave the classes, in their order; may be empty
  std::chrono::seconds cacheTtl{0};  // of predictions; 0: they are not cached
  Fallback fallback;                 // what answers when it cannot
  // Around the engine. Null: it is quick, that is, arithmetic of our own with nothing to wait for.
  std::shared_ptr<resilience::Dependency> guard;
  std::optional<ModelMetrics> metrics;  // always there in what Serving hands out
  mutable std::atomic<std::int64_t> lastUsedMs = 0;
};

struct ServingOptions {
  std::size_t maxModels = 64;
  std::size_t maxBytes = 256 << 20;
  const resilience::DependencyParts* guards = nullptr;  // null: engines run without a breaker
  std::chrono::milliseconds engineTime{3'000};          // of one run
};

struct ServingStats {
  std::uint64_t hits = 0;
  std::uint64_t loads = 0;
  std::uint64_t evictions = 0;
  std::uint64_t released = 0;  // versions that nobody holds any more
  std::size_t models = 0;
  std::size_t bytes = 0;
};

// What the whole process may hold, and holds now.
struct ProcessMemory {
  std::uint64_t limitBytes = 0;
  std::function<std::uint64_t()> residentBytes;
};

// Thread-safe.
class Serving {
 public:
  // Reads the artifact of a version and makes it ready. unprocessable, internal: it cannot be
  // opened. deadline_exceeded: that took too long.
  using Loader =
      std::function<Result<std::shared_ptr<const inference::Model>>(const Version&, Deadline)>;
  using Handle = std::shared_ptr<const ServedModel>;

  // Everything must outlive it, and `metrics` also the models it handed out.
  Serving(Registry& registry, Loader loader, ServingOptions options, metrics::Metrics& metrics,
          const Clock& clock);
  ~Serving();

  // Without waiting: null when that spelling of the version was not asked for since it was loaded.
  // A prediction's way.
  Handle find(std::string_view tenant, std::string_view ref, const VersionRef& which) const;

  // Loads it when it is not in memory; waits for the store and the file, for the file up to
  // limits::kValidationDeadline, whatever scope.deadline says: whoever comes next needs it too.
  // Null: somebody else is just loading that version; `resume` is called once when that has ended,
  // well or not, or at scope.deadline. unavailable: too many wait like this. Otherwise `resume` is
  // destroyed uncalled.
  Result<Handle> load(const Scope& scope, std::string_view ref, const VersionRef& which,
                      Parking::Resume resume);
  // Before the threads end that `resume` hands work to: see Parking::stop().
  void stop() { parking_.stop(); }

  // Drops it from memory; runs under way finish. False: it was not loaded.
  bool unload(std::string_view tenant, std::string_view modelId, int version);
  // Drops the version that was not used for longest. False: none is loaded.
  bool giveUpOldest();
  // Drops versions until `bytes` more fit into the process. unavailable: they would not fit even
  // without any; then none is dropped.
  Result<void> makeRoom(std::uint64_t bytes, const ProcessMemory& memory);
  // The model's settings, versions or aliases changed: what its names mean is looked up anew;
  // engines stay loaded.
  void forget(std::string_view tenant, std::string_view modelId);
  // Drops all of the model's versions from memory; runs under way finish.
  void drop(std::string_view tenant, std::string_view modelId);

  ServingStats stats() const;

 private:
  struct Table;

  Result<Handle> loadVersion(const Scope& scope, ResolvedVersion resolved);
  Result<Handle> makeServed(const Scope& scope, ResolvedVersion resolved, const Handle& former);
  std::shared_ptr<resilience::Dependency> makeGuard(const ServedModel& served) const;
  void keep(const Handle& served);
  void remember(std::string key, const Handle& served, std::uint64_t changesBefore);
  // Drops the versions for which `goes` holds, with all their names; how many.
  std::size_t remove(const std::function<bool(const ServedModel&)>& goes) CORBEL_REQUIRES(mutex_);
  void evict(const ServedModel& newest) CORBEL_REQUIRES(mutex_);
  // The least recently used but one, which may be null. False: there is none.
  bool removeOldest(const ServedModel* but) CORBEL_REQUIRES(mutex_);

  Registry& registry_;
  Loader loader_;
  ServingOptions options_;
  metrics::Metrics& metrics_;
  const Clock& clock_;
  std::atomic<std::shared_ptr<const Table>> table_;
  Mutex mutex_;  // held while the table is replaced, never while a model is loaded
  Parking parking_;
  std::atomic<std::uint64_t> changes_ =
      0;  // a name looked up before a change must not be remembered
  mutable std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> loads_ = 0;
  std::atomic<std::uint64_t> evictions_ = 0;
  const std::shared_ptr<std::atomic<std::uint64_t>> released_;  // a version may outlive this object
};

}  // namespace corbel::models
