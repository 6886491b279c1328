// Answers of models that ask for it (configuration.cache.ttlSeconds).
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/result.h"
#include "cache/cache.h"

namespace corbel::models {

// Thread-safe.
class PredictionCache {
 public:
  // No answer is fresh for longer than `maxTtl`, whatever its model asks for; 0: nothing is kept.
  // `cache` must outlive it.
  PredictionCache(cache::Cache& cache, std::chrono::seconds maxTtl)
      : cache_(cache), maxTtl_(maxTtl) {}

  // What an answer depends on, as one hash: the version, the model's settings (labels, schema) by
  // their revision, the input and what was asked about it.
  static std::string hashOf(std::string_view versionId, int modelRevision, std::string_view input,
                            std::string_view options);

  // The fresh answer, or what `make` makes; of several that ask for the same one makes it. Errors
  // of `make`; deadline_exceeded: another thread made it for too long.
  Result<std::string> findOrMake(std::string_view tenant, std::string_view inputHash,
                                 std::chrono::seconds ttl, Deadline deadline,
                                 const cache::Cache::Make& make);

  // For when the model cannot answer: also one that is no longer fresh, with freshFor at most 0.
  std::optional<cache::Entry> findAny(std::string_view tenant, std::string_view inputHash,
                                      Deadline deadline);

 private:
  cache::Cache& cache_;
  const std::chrono::seconds maxTtl_;
};

}  // namespace corbel::models
