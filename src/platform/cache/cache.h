// What can be computed or fetched again, kept for a while: in memory up to a number of bytes, and
// in a larger, slower tier behind it. Can be lost at any time.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"

namespace corbel::cache {

inline constexpr std::chrono::seconds kDefaultTtl{3'600};

// Whose value. Two tenants never see each other's.
struct Key {
  std::string_view tenant;
  std::string_view kind;  // static text of lower-case letters and '-': "predictions"
  std::string_view name;  // UTF-8; long or secret things are hashed by the caller
};

struct Entry {
  std::string value;
  std::chrono::milliseconds freshFor{0};  // zero or less: it is stale
};

// A second place for entries, such as a file or a server. Thread-safe.
class Tier {
 public:
  virtual ~Tier() = default;
  // Fresh or stale; nothing also when the tier does not work. Waits.
  virtual std::optional<Entry> find(const Key& key, Deadline deadline) = 0;
  // Keeps it for freshFor, and staleFor after that. Returns soon; what cannot be kept is not.
  virtual void put(const Key& key, const Entry& entry, std::chrono::milliseconds staleFor) = 0;
  // Drops what nobody wants any more; called about once a minute.
  virtual Result<void> sweep(Deadline deadline) = 0;
};

struct Options {
  std::size_t maxBytes = std::size_t{20} * 1024 * 1024;  // in memory
  // How long a value that is no longer fresh is kept in case that it cannot be made anew.
  std::chrono::milliseconds staleFor{3'600'000};
};

struct Found {
  std::string value;
  // Why it could not be made anew, so that it is stale; say so to whoever asked.
  std::optional<Error> why = {};
  bool stale() const { return why.has_value(); }
};

struct Stats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t stale = 0;  // values given out that were not fresh
  std::size_t entries = 0;  // in memory
  std::size_t bytes = 0;
};

class MemoryShard;

// Thread-safe. The least recently used values make room in memory; one that is larger than a
// sixteenth of maxBytes is kept in the tier alone.
class Cache {
 public:
  // `tier` (null: none) and `clock` must outlive it.
  Cache(Options options, Tier* tier, const Clock& clock);
  ~Cache();

  // The fresh value, if there is one. Waits for the tier.
  std::optional<std::string> find(const Key& key, Deadline deadline);
  // The value, fresh or stale: for when it is known that it cannot be made. Waits for the tier.
  std::optional<Entry> findAny(const Key& key, Deadline deadline);
  void put(const Key& key, std::string value, std::chrono::milliseconds ttl = kDefaultTtl);

  using Make = std::function<Result<std::string>()>;
  // The fresh value, or what `make` makes, which is kept for `ttl`. Whoever asks for the same key
  // meanwhile waits for it instead of making it too. When it cannot be made (unavailable,
  // deadline_exceeded, resource_exhausted, internal) a stale value does, marked as such.
  // Otherwise the error of `make`; deadline_exceeded: another thread made it for too long.
  Result<Found> findOrMake(const Key& key, std::chrono::milliseconds ttl, Deadline deadline,
                           const Make& make);

  Result<void> sweep(Deadline deadline);
  // Gives up the half of what is in memory that was not used for longest; the tier keeps all.
  void shrink();
  Stats stats() const;

 private:
  struct Flight;
  // One thread makes a value, others wait for it.
  class Leading;

  std::optional<Entry> look(const Key& key, const std::string& text, Deadline deadline);
  void keep(const std::string& text, const Entry& entry);
  MemoryShard& shardOf(std::string_view text) const;
  std::shared_ptr<Flight> join(const std::string& text, bool& leads);
  Result<Found> makeAndShare(const Key& key, std::chrono::milliseconds ttl,
                             std::optional<Entry> stale, const Make& make, Flight& flight);

  const Options options_;
  Tier* const tier_;
  const Clock& clock_;
  std::array<std::unique_ptr<MemoryShard>, 16> shards_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Flight>, std::less<>> flights_ CORBEL_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
  std::atomic<std::uint64_t> stale_ = 0;
};

}  // namespace corbel::cache
