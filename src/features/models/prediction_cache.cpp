#include "models/prediction_cache.h"

#include <algorithm>
#include <span>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::models {

std::string PredictionCache::hashOf(std::string_view versionId, int modelRevision,
                                    std::string_view input, std::string_view options) {
  const std::string revision = std::to_string(modelRevision);
  crypto::Sha256 hash;
  for (const std::string_view part : {versionId, std::string_view(revision), options, input}) {
    const std::string length =
        std::to_string(part.size()) + ":";  // no two lists of parts read the same
    hash.update(std::as_bytes(std::span(length)));
    hash.update(std::as_bytes(std::span(part)));
  }
  return crypto::toHex(hash.finish());
}

Result<cache::Found> PredictionCache::findOrMake(std::string_view tenant,
                                                 std::string_view inputHash,
                                                 std::chrono::seconds ttl, Deadline deadline,
                                                 const cache::Cache::Make& make) {
  const auto allowed = std::min(ttl, maxTtl_);
  if (allowed.count() > 0) {
    return cache_.findOrMake({tenant, "predictions", inputHash}, allowed, deadline, make);
  }
  CORBEL_TRY(auto made, make());
  return cache::Found{std::move(made)};
}

}  // namespace corbel::models
