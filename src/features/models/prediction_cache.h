// Answers of models that ask for it (configuration.cache.ttlSeconds), kept in the table
// prediction_cache.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "store/store.h"

namespace corbel::models {

struct CacheBounds {
  std::int64_t maxBytes = 0;
  std::chrono::seconds maxTtl{0};    // 0: nothing is kept
  std::chrono::seconds staleFor{0};  // kept so long after they expired, for findStale()
};

struct CacheStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

class CacheBytes;

// Thread-safe. A cache can be lost at any time: errors of the store count as misses.
class PredictionCache {
 public:
  PredictionCache(store::Database& database, IdSource& ids, const Clock& clock, CacheBounds bounds)
      : database_(database), ids_(ids), clock_(clock), bounds_(bounds), used_(makeUsed()) {}

  // What an answer depends on, as one hash: the version, the model's settings (labels, schema) by
  // their revision, the input and what was asked about it.
  static std::string hashOf(std::string_view versionId, int modelRevision, std::string_view input,
                            std::string_view options);

  // The stored text, unless it expired. Waits for a reader.
  std::optional<std::string> find(std::string_view tenant, const std::string& inputHash,
                                  Deadline deadline);

  // For when nothing better can be had: one that expired no longer than staleFor ago, too.
  std::optional<std::string> findStale(std::string_view tenant, const std::string& inputHash,
                                       Deadline deadline) const;

  // Returns at once. The oldest answers make room when the cache is full; one that is larger than
  // the cache is not kept.
  void put(std::string tenant, std::string inputHash, std::string prediction,
           std::chrono::seconds ttl);

  // Drops what expired longer than staleFor ago. The owner calls it about once a minute.
  Result<void> removeExpired(Deadline deadline);

  CacheStats stats() const { return {hits_, misses_}; }

 private:
  static std::shared_ptr<CacheBytes> makeUsed();
  Result<std::optional<std::string>> read(std::string_view tenant, const std::string& inputHash,
                                          Timestamp expiresAfter, Deadline deadline) const;

  store::Database& database_;
  IdSource& ids_;
  const Clock& clock_;
  const CacheBounds bounds_;
  const std::shared_ptr<CacheBytes> used_;  // shared: units may run when the cache is gone
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
};

}  // namespace corbel::models
