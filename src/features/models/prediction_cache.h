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

struct CacheStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

// Thread-safe. A cache can be lost at any time: errors of the store count as misses.
class PredictionCache {
 public:
  PredictionCache(store::Database& database, IdSource& ids, const Clock& clock,
                  std::int64_t maxBytes)
      : database_(database),
        ids_(ids),
        clock_(clock),
        maxBytes_(maxBytes),
        used_(std::make_shared<Used>(-1)) {}

  // What an answer depends on, as one hash: the version, the model's settings (labels, schema) by
  // their revision, the input and what was asked about it.
  static std::string hashOf(std::string_view versionId, int modelRevision, std::string_view input,
                            std::string_view options);

  // The stored text, unless it expired. Waits for a reader.
  std::optional<std::string> find(std::string_view tenant, const std::string& inputHash,
                                  Deadline deadline);

  // Returns at once. The oldest answers make room when the cache is full; one that is larger than
  // the cache is not kept.
  void put(std::string tenant, std::string inputHash, std::string prediction,
           std::chrono::seconds ttl);

  // Drops what has expired. The owner calls it about once a minute.
  Result<void> removeExpired(Deadline deadline);

  CacheStats stats() const { return {hits_, misses_}; }

 private:
  // Bytes of all rows, kept up by the units on the writer's thread; below 0: to be counted. Shared,
  // because units may run when the cache is gone.
  using Used = std::atomic<std::int64_t>;

  store::Database& database_;
  IdSource& ids_;
  const Clock& clock_;
  const std::int64_t maxBytes_;
  const std::shared_ptr<Used> used_;
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
};

}  // namespace corbel::models
