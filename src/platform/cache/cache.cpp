#include "cache/cache.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "memory_shard.h"

namespace corbel::cache {
namespace {

using std::chrono::milliseconds;

// Tenants and kinds cannot hold the separator, so the name may be anything.
std::string textOf(const Key& key) {
  std::string text;
  text.reserve(key.tenant.size() + key.kind.size() + key.name.size() + 2);
  text.append(key.tenant).append(1, '\0').append(key.kind).append(1, '\0').append(key.name);
  return text;
}

// Not of the asker's making: it may work another time.
bool isPassing(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::deadlineExceeded ||
         code == ErrorCode::resourceExhausted || code == ErrorCode::internal;
}

}  // namespace

struct Cache::Flight {
  Mutex mutex;
  std::condition_variable landed;
  std::optional<Result<Found>> outcome CORBEL_GUARDED_BY(mutex);
};

// Ends the flight however the making ends.
class Cache::Leading {
 public:
  Leading(Cache& cache, const std::string& text, Flight& flight)
      : cache_(cache), text_(text), flight_(flight) {}
  Leading(const Leading&) = delete;
  Leading& operator=(const Leading&) = delete;
  ~Leading() {
    {
      const MutexLock lock(cache_.mutex_);
      cache_.flights_.erase(text_);
    }
    const MutexLock lock(flight_.mutex);
    if (!flight_.outcome)
      flight_.outcome = fail(ErrorCode::internal, "The value could not be made.");
    flight_.landed.notify_all();
  }

 private:
  Cache& cache_;
  const std::string& text_;
  Flight& flight_;
};

Cache::Cache(Options options, Tier* tier, const Clock& clock)
    : options_(options), tier_(tier), clock_(clock) {
  for (auto& shard : shards_)
    shard = std::make_unique<MemoryShard>(options.maxBytes / shards_.size());
}

Cache::~Cache() = default;

MemoryShard& Cache::shardOf(std::string_view text) const {
  // Not the bits that the shard's own table uses.
  return *shards_[(std::hash<std::string_view>()(text) >> 48) % shards_.size()];
}

void Cache::keep(const std::string& text, const Entry& entry) {
  const SteadyTime now = clock_.steady();
  shardOf(text).put(text, entry.value, now + entry.freshFor,
                    now + entry.freshFor + options_.staleFor);
}

// Counts a hit or a miss; what is found may be stale.
std::optional<Entry> Cache::look(const Key& key, const std::string& text, Deadline deadline) {
  auto entry = shardOf(text).find(text, clock_.steady());
  const auto isFresh = [&entry] { return entry && entry->freshFor > milliseconds(0); };
  if (!isFresh() && tier_ != nullptr) {
    if (auto second = tier_->find(key, deadline)) {
      entry = std::move(second);
      if (isFresh()) keep(text, *entry);
    }
  }
  (isFresh() ? hits_ : misses_).fetch_add(1, std::memory_order_relaxed);
  return entry;
}

std::optional<std::string> Cache::find(const Key& key, Deadline deadline) {
  auto entry = look(key, textOf(key), deadline);
  if (!entry || entry->freshFor <= milliseconds(0)) return std::nullopt;
  return std::move(entry->value);
}

void Cache::put(const Key& key, std::string value, milliseconds ttl) {
  if (ttl <= milliseconds(0)) return;
  const Entry entry{std::move(value), ttl};
  keep(textOf(key), entry);
  if (tier_ != nullptr) tier_->put(key, entry, options_.staleFor);
}

std::shared_ptr<Cache::Flight> Cache::join(const std::string& text, bool& leads) {
  const MutexLock lock(mutex_);
  auto& flight = flights_[text];
  leads = flight == nullptr;
  if (leads) flight = std::make_shared<Flight>();
  return flight;
}

std::optional<Entry> Cache::findAny(const Key& key, Deadline deadline) {
  auto entry = look(key, textOf(key), deadline);
  if (entry && entry->freshFor <= milliseconds(0)) stale_.fetch_add(1, std::memory_order_relaxed);
  return entry;
}

Result<Found> Cache::findOrMake(const Key& key, milliseconds ttl, Deadline deadline,
                                const Make& make) {
  const std::string text = textOf(key);
  while (true) {
    auto entry = look(key, text, deadline);
    if (entry && entry->freshFor > milliseconds(0)) return Found{std::move(entry->value)};
    bool leads = false;
    const auto flight = join(text, leads);
    if (leads) {
      const Leading leading(*this, text, *flight);
      // Between the look and the lead another flight may have landed.
      if (auto landed = shardOf(text).find(text, clock_.steady());
          landed && landed->freshFor > milliseconds(0)) {
        const MutexLock lock(flight->mutex);
        flight->outcome = Found{std::move(landed->value)};
        return *flight->outcome;
      }
      return makeAndShare(key, ttl, std::move(entry), make, *flight);
    }
    MutexLock lock(flight->mutex);
    while (!flight->outcome) {
      if (!waitUntil(lock, flight->landed, deadline, clock_) && !flight->outcome) {
        return fail(ErrorCode::deadlineExceeded,
                    "The same was being made for somebody else for longer than allowed.");
      }
    }
    // Who made it had less time than this thread has.
    const auto& outcome = *flight->outcome;
    if (outcome || outcome.error().code != ErrorCode::deadlineExceeded || deadline.expired(clock_))
      return outcome;
  }
}

Result<Found> Cache::makeAndShare(const Key& key, milliseconds ttl, std::optional<Entry> stale,
                                  const Make& make, Flight& flight) {
  auto made = make();
  Result<Found> outcome = std::unexpected(Error());
  if (made) {
    put(key, *made, ttl);
    outcome = Found{*std::move(made)};
  } else if (stale && isPassing(made.error().code)) {
    stale_.fetch_add(1, std::memory_order_relaxed);
    outcome = Found{std::move(stale->value), std::move(made).error()};
  } else {
    outcome = std::unexpected(std::move(made).error());
  }
  const MutexLock lock(flight.mutex);
  flight.outcome = outcome;
  return outcome;
}

Result<void> Cache::sweep(Deadline deadline) {
  return tier_ != nullptr ? tier_->sweep(deadline) : Result<void>();
}

void Cache::shrink() {
  for (const auto& shard : shards_) shard->shrink();
}

Stats Cache::stats() const {
  Stats stats{.hits = hits_, .misses = misses_, .stale = stale_};
  for (const auto& shard : shards_) {
    stats.entries += shard->entries();
    stats.bytes += shard->bytes();
  }
  return stats;
}

}  // namespace corbel::cache
