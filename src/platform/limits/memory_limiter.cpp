#include "limits/memory_limiter.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "bucket_table.h"
#include "sip_hash.h"

namespace corbel::limits {
namespace {

// Of the charge at `index` of a request, until the thread's next one. The principal comes last:
// whatever bytes it has, it cannot be taken for another part.
std::string_view composed(const Charge& charge, std::size_t index) {
  thread_local std::array<std::string, kChargesMax> texts;
  return texts[index]
      .assign(charge.key.tenant)
      .append(1, '\0')
      .append(charge.quota.policy)
      .append(1, '\0')
      .append(charge.key.principal);
}

}  // namespace

// On cache lines of its own, so that neighbours do not slow each other down.
struct alignas(64) MemoryLimiter::Shard {
  explicit Shard(std::size_t maxBytes) : table(maxBytes) {}
  mutable Mutex mutex;
  BucketTable table CORBEL_GUARDED_BY(mutex);
};

struct MemoryLimiter::Place {
  const Charge* charge = nullptr;
  BucketTable::Key key;
  Shard* shard = nullptr;
  Decision decision;
};

MemoryLimiter::MemoryLimiter(const Clock& clock, Random& random, MemoryLimiterOptions options)
    : clock_(clock) {
  random.fill(std::as_writable_bytes(std::span(seed_)));
  shards_.reserve(options.shards);
  for (std::size_t i = 0; i < options.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(options.maxBytes / options.shards));
  }
}

MemoryLimiter::~MemoryLimiter() = default;

Decision MemoryLimiter::admit(std::span<const Charge> charges) {
  std::array<Place, kChargesMax> held;
  const std::span<Place> places = std::span(held).first(std::min(charges.size(), kChargesMax));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::string_view text = composed(charges[i], i);
    const std::uint64_t hash = SipHash(seed_[0], seed_[1]).of(text);
    places[i] = {&charges[i], {text, hash}, shards_[hash % shards_.size()].get(), {}};
  }
  if (places.size() > 1) std::ranges::sort(places, std::less<>(), &Place::shard);
  if (const Place* refused = take(places)) return refused->decision;
  const auto first = std::ranges::find(places, charges.data(), &Place::charge);
  return first == places.end() ? Decision() : first->decision;
}

MemoryLimiter::Place* MemoryLimiter::take(std::span<Place> places) {
  if (places.empty()) return nullptr;
  Shard& shard = *places.front().shard;
  const auto others =
      std::ranges::find_if(places, [&shard](const Place& place) { return place.shard != &shard; });
  const std::span<Place> here(places.begin(), others);
  const MutexLock lock(shard.mutex);
  // Read under the lock, so that the times in a bucket never go back.
  const std::int64_t now = clock_.steady().time_since_epoch().count();
  Place* refused = nullptr;
  std::size_t taken = 0;
  for (; taken < here.size() && refused == nullptr; ++taken) {
    Place& place = here[taken];
    place.decision = shard.table.admit(place.key, now, place.charge->quota, place.charge->cost);
    if (!place.decision.allowed) refused = &place;
  }
  if (refused == nullptr) refused = take({others, places.end()});
  if (refused == nullptr) return nullptr;
  for (const Place& place : here.first(taken)) {
    if (place.decision.allowed)
      shard.table.takeBack(place.key, place.charge->quota, place.charge->cost);
  }
  return refused;
}

std::size_t MemoryLimiter::buckets() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const MutexLock lock(shard->mutex);
    count += shard->table.size();
  }
  return count;
}

std::size_t MemoryLimiter::bytes() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const MutexLock lock(shard->mutex);
    count += shard->table.bytes();
  }
  return count;
}

}  // namespace corbel::limits
