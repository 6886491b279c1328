#include "models/serving.h"

#include <algorithm>
#include <set>
#include <utility>

#include "models/declaration.h"

namespace corbel::models {
namespace {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// Neither names nor ids contain line breaks.
void writeKey(std::string& key, std::string_view tenant, std::string_view ref, const VersionRef& which) {
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

struct Serving::Table {
  std::unordered_map<std::string, std::shared_ptr<const ServedModel>, TextHash, std::equal_to<>> byName;

  std::set<std::shared_ptr<const ServedModel>> versions() const {
    std::set<std::shared_ptr<const ServedModel>> all;
    for (const auto& [key, served] : byName) all.insert(served);
    return all;
  }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& served : versions()) sum += served->engine->memoryBytes();
    return sum;
  }
};

Serving::Serving(Registry& registry, Loader loader, ServingOptions options, const Clock& clock)
    : registry_(registry),
      loader_(std::move(loader)),
      options_(options),
      clock_(clock),
      table_(std::make_shared<const Table>()),
      released_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

Serving::~Serving() = default;

std::shared_ptr<const ServedModel> Serving::find(std::string_view tenant, std::string_view ref,
                                                 const VersionRef& which) const {
  thread_local std::string key;
  writeKey(key, tenant, ref, which);
  const auto table = table_.load();
  const auto found = table->byName.find(std::string_view(key));
  if (found == table->byName.end()) return nullptr;
  hits_.fetch_add(1, std::memory_order_relaxed);
  found->second->lastUsedMs.store(clock_.now().time_since_epoch().count(), std::memory_order_relaxed);
  return found->second;
}

Result<std::shared_ptr<const ServedModel>> Serving::load(const Scope& scope, std::string_view ref,
                                                         const VersionRef& which) {
  CORBEL_TRY(auto resolved, registry_.resolve(scope, ref, which));
  std::string key;
  writeKey(key, scope.tenant, ref, which);
  const MutexLock lock(mutex_);
  auto served = findVersion(resolved.version.id);
  if (!served) {
    CORBEL_TRY(served, makeServed(scope, std::move(resolved)));
    loads_.fetch_add(1, std::memory_order_relaxed);
  }
  served->lastUsedMs = clock_.now().time_since_epoch().count();
  remember(std::move(key), served);
  evict();
  return served;
}

std::shared_ptr<const ServedModel> Serving::findVersion(const std::string& versionId) const {
  for (const auto& served : table_.load()->versions()) {
    if (served->versionId == versionId) return served;
  }
  return nullptr;
}

Result<std::shared_ptr<const ServedModel>> Serving::makeServed(const Scope& scope, ResolvedVersion resolved) {
  CORBEL_TRY(auto engine, loader_(resolved.version));
  CORBEL_TRY(auto declaration, parseDeclaration(resolved.model));
  CORBEL_TRY(auto plan, inference::InputPlan::make(engine->signature(), std::move(declaration.input)));
  const auto release = [released = released_](ServedModel* gone) {
    delete gone;
    released->fetch_add(1, std::memory_order_relaxed);
  };
  const std::shared_ptr<ServedModel> served(new ServedModel, release);
  served->tenant = scope.tenant;
  served->modelId = std::move(resolved.model.id);
  served->modelName = std::move(resolved.model.name);
  served->versionId = std::move(resolved.version.id);
  served->version = resolved.version.number;
  served->artifactSha256 = std::move(resolved.version.artifactSha256);
  served->engine = std::move(engine);
  served->plan = std::move(plan);
  served->labels = std::move(declaration.labels);
  served->cacheTtl = declaration.cacheTtl;
  return served;
}

void Serving::remember(std::string key, std::shared_ptr<const ServedModel> served) {
  auto table = std::make_shared<Table>(*table_.load());
  table->byName.insert_or_assign(std::move(key), std::move(served));
  table_.store(std::move(table));
}

std::size_t Serving::filter(const std::function<bool(const ServedModel&)>& keep) {
  auto table = std::make_shared<Table>(*table_.load());
  const std::size_t dropped = std::erase_if(table->byName, [&](const auto& entry) { return !keep(*entry.second); });
  if (dropped > 0) table_.store(std::move(table));
  return dropped;
}

bool Serving::tooLarge() const {
  const auto table = table_.load();
  const std::size_t count = table->versions().size();
  // A single model larger than the whole cache is still served.
  return count > 1 && (count > options_.maxModels || table->bytes() > options_.maxBytes);
}

void Serving::evict() {
  while (tooLarge()) {
    const auto versions = table_.load()->versions();
    const auto oldest =
        std::ranges::min_element(versions, {}, [](const auto& served) { return served->lastUsedMs.load(); });
    const std::string versionId = (*oldest)->versionId;
    filter([&](const ServedModel& served) { return served.versionId != versionId; });
    evictions_.fetch_add(1, std::memory_order_relaxed);
  }
}

bool Serving::unload(std::string_view tenant, std::string_view modelId, int version) {
  const MutexLock lock(mutex_);
  return filter([&](const ServedModel& served) {
           return served.tenant != tenant || served.modelId != modelId || served.version != version;
         }) > 0;
}

void Serving::forget(std::string_view tenant, std::string_view modelId) {
  const MutexLock lock(mutex_);
  filter([&](const ServedModel& served) { return served.tenant != tenant || served.modelId != modelId; });
}

std::vector<std::shared_ptr<const ServedModel>> Serving::loaded(std::string_view tenant) const {
  std::vector<std::shared_ptr<const ServedModel>> all;
  for (const auto& served : table_.load()->versions()) {
    if (served->tenant == tenant) all.push_back(served);
  }
  return all;
}

ServingStats Serving::stats() const {
  const auto table = table_.load();
  return {hits_, loads_, evictions_, *released_, table->versions().size(), table->bytes()};
}

}  // namespace corbel::models
