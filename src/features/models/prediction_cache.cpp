#include "models/prediction_cache.h"

#include <array>
#include <span>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::models {
namespace {

// What a row costs beside its text: ids, hash, index entries.
constexpr std::int64_t kRowBytes = 300;

Result<std::int64_t> usedBytes(store::Transaction& tx) {
  CORBEL_TRY(const auto used, tx.query("SELECT COALESCE(SUM(size_bytes), 0) FROM prediction_cache")
                                  .one([](const store::Row& row) { return row.integer(0); }));
  return used.value_or(0);
}

// Gives up a quarter of the cache at once, so that room is not made for every single answer.
Result<void> makeRoom(store::Transaction& tx, std::int64_t needed, std::int64_t maxBytes) {
  CORBEL_TRY(std::int64_t used, usedBytes(tx));
  while (used > 0 && used + needed > maxBytes) {
    CORBEL_TRY(const auto removed,
               tx.change("DELETE FROM prediction_cache WHERE id IN (SELECT id FROM prediction_cache ORDER BY expires_at, id "
                         "LIMIT (SELECT COUNT(*) / 4 + 1 FROM prediction_cache))"));
    if (removed == 0) break;
    CORBEL_TRY(used, usedBytes(tx));
  }
  return {};
}

}  // namespace

std::string PredictionCache::hashOf(std::string_view versionId, std::string_view input, std::string_view options) {
  crypto::Sha256 hash;
  for (const std::string_view part : {versionId, std::string_view("\n"), options, std::string_view("\n"), input}) {
    hash.update(std::as_bytes(std::span(part)));
  }
  return crypto::toHex(hash.finish());
}

std::optional<std::string> PredictionCache::find(std::string_view tenant, const std::string& inputHash,
                                                 Deadline deadline) {
  auto found = database_.read(
      [&](store::Reader& reader) {
        return reader
            .query("SELECT prediction_data FROM prediction_cache WHERE tenant_id = ? AND input_hash = ? AND expires_at > ?",
                   tenant, inputHash, clock_.now())
            .one([](const store::Row& row) { return row.string(0); });
      },
      deadline);
  const bool hit = found && *found;
  (hit ? hits_ : misses_).fetch_add(1, std::memory_order_relaxed);
  return hit ? *std::move(found) : std::nullopt;
}

void PredictionCache::put(std::string tenant, std::string inputHash, std::string prediction, std::chrono::seconds ttl) {
  const auto size = static_cast<std::int64_t>(prediction.size()) + kRowBytes;
  if (size > maxBytes_) return;
  const Timestamp expiresAt = clock_.now() + ttl;
  database_.write({.apply = [this, tenant = std::move(tenant), hash = std::move(inputHash),
                             text = std::move(prediction), id = ids_.next(), size,
                             expiresAt](store::Transaction& tx) -> Result<void> {
                     CORBEL_CHECK(makeRoom(tx, size, maxBytes_));
                     return tx.execute(
                         "INSERT INTO prediction_cache (id, input_hash, prediction_data, expires_at, tenant_id, "
                         "size_bytes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, input_hash) DO UPDATE SET "
                         "prediction_data = excluded.prediction_data, expires_at = excluded.expires_at, "
                         "size_bytes = excluded.size_bytes",
                         id, hash, text, expiresAt, tenant, size);
                   },
                   .done = [](const Result<void>&) {}});
}

Result<void> PredictionCache::removeExpired(Deadline deadline) {
  return database_.write(
      [&](store::Transaction& tx) {
        return tx.execute("DELETE FROM prediction_cache WHERE expires_at <= ?", clock_.now());
      },
      deadline);
}

}  // namespace corbel::models
