#include "models/serving.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/limits.h"
#include "models/declaration.h"
#include "telemetry/metric_table.h"

namespace corbel::models {
namespace {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

// Neither names nor ids contain line breaks.
void writeKey(std::string& key, std::string_view tenant, std::string_view ref,
              const VersionRef& which) {
  key.assign(tenant);
  key += '\n';
  key += ref;
  key += '\n';
  if (which.number) {
    key += '#';
    key += std::to_string(*which.number);
  } else {
    key += which.alias;
  }
}

}  // namespace

// What every prediction reads: replaced as a whole, never changed.
struct Serving::Table {
  std::unordered_map<std::string, Handle, TextHash, std::equal_to<>> byName;
  std::map<std::string, Handle, std::less<>> versions;  // by id

  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [id, served] : versions) sum += served->engine->memoryBytes();
    return sum;
  }
  Handle find(const std::string& versionId) const {
    const auto found = versions.find(versionId);
    return found == versions.end() ? nullptr : found->second;
  }
};

namespace {

constexpr std::size_t kParkedMax = 1'000;

// The version is loading while this lives.
class LoadingEnds {
 public:
  LoadingEnds(Parking& parking, const std::string& version)
      : parking_(parking), version_(version) {}
  LoadingEnds(const LoadingEnds&) = delete;
  LoadingEnds& operator=(const LoadingEnds&) = delete;
  ~LoadingEnds() { parking_.loaded(version_); }

 private:
  Parking& parking_;
  const std::string version_;
};

}  // namespace

ModelMetrics::ModelMetrics(metrics::Metrics& metrics, std::string_view tenant,
                           std::string_view model)
    : answered(metrics.of(metrics::kPredictions).with("ok", tenant, model)),
      cacheHits(metrics.of(metrics::kModelCacheHits).with(tenant)),
      inferenceDuration(metrics.of(metrics::kInferenceDuration).with(tenant, model)),
      inferenceTime(metrics.of(metrics::kInferenceTime).with(tenant, model)) {}

Serving::Serving(Registry& registry, Loader loader, ServingOptions options,
                 metrics::Metrics& metrics, const Clock& clock)
    : registry_(registry),
      loader_(std::move(loader)),
      options_(options),
      metrics_(metrics),
      clock_(clock),
      table_(std::make_shared<const Table>()),
      parking_(kParkedMax),
      released_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

Serving::~Serving() = default;

Serving::Handle Serving::find(std::string_view tenant, std::string_view ref,
                              const VersionRef& which) const {
  thread_local std::string key;
  writeKey(key, tenant, ref, which);
  const auto table = table_.load();
  const auto found = table->byName.find(std::string_view(key));
  if (found == table->byName.end()) return nullptr;
  hits_.fetch_add(1, std::memory_order_relaxed);
  found->second->lastUsedMs.store(clock_.now().time_since_epoch().count(),
                                  std::memory_order_relaxed);
  return found->second;
}

Result<Serving::Handle> Serving::load(const Scope& scope, std::string_view ref,
                                      const VersionRef& which, Parking::Resume resume) {
  const std::uint64_t changesBefore = changes_;
  CORBEL_TRY(auto resolved, registry_.resolve(scope, ref, which));
  std::string key;
  writeKey(key, scope.tenant, ref, which);
  switch (parking_.enter(resolved.version.id, scope.deadline, std::move(resume))) {
    case Parking::Turn::parked:
      return nullptr;
    case Parking::Turn::refused:
      return fail(ErrorCode::unavailable,
                  "The model is being loaded, and too many wait for it. Try again in a second.");
    case Parking::Turn::load:
      break;
  }
  const LoadingEnds atTheEnd(parking_, resolved.version.id);
  CORBEL_TRY(auto served, loadVersion(scope, std::move(resolved)));
  remember(std::move(key), served, changesBefore);
  return served;
}

Result<Serving::Handle> Serving::loadVersion(const Scope& scope, ResolvedVersion resolved) {
  const Handle former = table_.load()->find(resolved.version.id);
  if (former && former->modelRevision == resolved.model.revision) return former;
  CORBEL_TRY(auto served, makeServed(scope, std::move(resolved), former));
  keep(served);
  return served;
}

Result<Serving::Handle> Serving::makeServed(const Scope& scope, ResolvedVersion resolved,
                                            const Handle& former) {
  const auto release = [released = released_](ServedModel* gone) {
    delete gone;
    released->fetch_add(1, std::memory_order_relaxed);
  };
  const std::shared_ptr<ServedModel> served(new ServedModel, release);
  if (former) {
    served->engine = former->engine;
  } else {
    CORBEL_TRY(served->engine,
               loader_(resolved.version, Deadline::after(clock_, limits::kValidationDeadline)));
    loads_.fetch_add(1, std::memory_order_relaxed);
  }
  CORBEL_TRY(auto declaration, parseDeclaration(resolved.model));
  CORBEL_CHECK(checkLabels(declaration.labels, served->engine->signature()));
  CORBEL_TRY(served->plan,
             inference::InputPlan::make(served->engine->signature(), std::move(declaration.input)));
  served->tenant = scope.tenant;
  served->modelId = std::move(resolved.model.id);
  served->modelName = std::move(resolved.model.name);
  served->modelRevision = resolved.model.revision;
  served->versionId = std::move(resolved.version.id);
  served->version = resolved.version.number;
  served->artifactSha256 = std::move(resolved.version.artifactSha256);
  served->labels = std::move(declaration.labels);
  served->cacheTtl = declaration.cacheTtl;
  served->fallback = std::move(declaration.fallback);
  served->guard = former ? former->guard : makeGuard(*served);
  served->metrics.emplace(metrics_, served->tenant, served->modelName);
  served->lastUsedMs = clock_.now().time_since_epoch().count();
  return served;
}

std::shared_ptr<resilience::Dependency> Serving::makeGuard(const ServedModel& served) const {
  if (options_.guards == nullptr || served.engine->isQuick()) return nullptr;
  // How many run at once is the pool's to bound. Who gave it little time is told so by the engine.
  resilience::DependencyOptions options{
      .name = "engine." + served.modelName,
      .cap = options_.engineTime,
      .margin = std::chrono::milliseconds(0),
      .bulkhead = {.running = std::numeric_limits<std::size_t>::max(), .waiting = 0}};
  return std::make_shared<resilience::Dependency>(std::move(options), *options_.guards);
}

void Serving::keep(const Handle& served) {
  const MutexLock lock(mutex_);
  auto table = std::make_shared<Table>(*table_.load());
  table->versions.insert_or_assign(served->versionId, served);
  table_.store(std::move(table));
  evict(*served);
}

void Serving::remember(std::string key, const Handle& served, std::uint64_t changesBefore) {
  const MutexLock lock(mutex_);
  const auto current = table_.load();
  if (changes_ != changesBefore || current->find(served->versionId) != served) return;
  auto table = std::make_shared<Table>(*current);
  table->byName.insert_or_assign(std::move(key), served);
  table_.store(std::move(table));
}

std::size_t Serving::remove(const std::function<bool(const ServedModel&)>& goes) {
  auto table = std::make_shared<Table>(*table_.load());
  const auto leaves = [&](const auto& entry) { return goes(*entry.second); };
  std::erase_if(table->byName, leaves);
  const std::size_t removed = std::erase_if(table->versions, leaves);
  table_.store(std::move(table));
  return removed;
}

// The newest stays even when it alone is larger than the cache: it would be loaded again for every
// prediction.
void Serving::evict(const ServedModel& newest) {
  const auto fits = [&] {
    const auto table = table_.load();
    return table->versions.size() <= options_.maxModels && table->bytes() <= options_.maxBytes;
  };
  while (!fits() && removeOldest(&newest)) {
  }
}

bool Serving::removeOldest(const ServedModel* but) {
  const auto table = table_.load();
  const ServedModel* oldest = nullptr;
  for (const auto& [id, served] : table->versions) {
    if (but != nullptr && id == but->versionId) continue;
    if (oldest == nullptr || served->lastUsedMs < oldest->lastUsedMs) oldest = served.get();
  }
  if (oldest == nullptr) return false;
  remove([&](const ServedModel& served) { return served.versionId == oldest->versionId; });
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Serving::giveUpOldest() {
  const MutexLock lock(mutex_);
  return removeOldest(nullptr);
}

Result<void> Serving::makeRoom(std::uint64_t bytes, const ProcessMemory& memory) {
  const std::uint64_t resident = memory.residentBytes();
  const std::uint64_t others = resident - std::min<std::uint64_t>(resident, stats().bytes);
  const bool canFit = bytes <= memory.limitBytes && others <= memory.limitBytes - bytes;
  const auto fits = [&] { return memory.residentBytes() <= memory.limitBytes - bytes; };
  while (canFit && !fits() && giveUpOldest()) {
  }
  if (canFit && fits()) return {};
  return fail(ErrorCode::unavailable,
              "The model cannot be loaded within the memory that this server may use "
              "(memory.limitBytes).");
}

bool Serving::unload(std::string_view tenant, std::string_view modelId, int version) {
  const MutexLock lock(mutex_);
  return remove([&](const ServedModel& served) {
           return served.tenant == tenant && served.modelId == modelId && served.version == version;
         }) > 0;
}

void Serving::forget(std::string_view tenant, std::string_view modelId) {
  const MutexLock lock(mutex_);
  ++changes_;
  auto table = std::make_shared<Table>(*table_.load());
  std::erase_if(table->byName, [&](const auto& entry) {
    return entry.second->tenant == tenant && entry.second->modelId == modelId;
  });
  table_.store(std::move(table));
}

void Serving::drop(std::string_view tenant, std::string_view modelId) {
  const MutexLock lock(mutex_);
  ++changes_;
  remove([&](const ServedModel& served) {
    return served.tenant == tenant && served.modelId == modelId;
  });
}

ServingStats Serving::stats() const {
  const auto table = table_.load();
  return {hits_, loads_, evictions_, *released_, table->versions.size(), table->bytes()};
}

}  // namespace corbel::models
