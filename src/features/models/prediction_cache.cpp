#include "models/prediction_cache.h"

#include <algorithm>
#include <span>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::models {
namespace {

constexpr std::string_view kKind = "predictions";

}  // namespace

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

Result<std::string> PredictionCache::findOrMake(std::string_view tenant, std::string_view inputHash,
                                                std::chrono::seconds ttl, Deadline deadline,
                                                const cache::Cache::Make& make) {
  const auto allowed = std::min(ttl, maxTtl_);
  if (allowed.count() == 0) return make();
  CORBEL_TRY(auto found, cache_.findOrMake({tenant, kKind, inputHash}, allowed, deadline, make));
  if (found.stale()) return std::unexpected(*std::move(found.why));
  return std::move(found.value);
}

std::optional<cache::Entry> PredictionCache::findAny(std::string_view tenant,
                                                     std::string_view inputHash,
                                                     Deadline deadline) {
  if (maxTtl_.count() == 0) return std::nullopt;
  return cache_.findAny({tenant, kKind, inputHash}, deadline);
}

}  // namespace corbel::models
