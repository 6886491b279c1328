#include "models/prediction_cache.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <span>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256.h"

namespace corbel::models {
namespace {

// What a row costs beside its text: ids, hash, index entries.
constexpr std::int64_t kRowBytes = 300;

// Given up at once, so that room is not made for every single answer.
constexpr int kGivenUpAtOnce = 256;

Result<std::int64_t> countBytes(store::Transaction& tx) {
  CORBEL_TRY(const auto used,
             tx.query("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM prediction_cache")
                 .one([](const store::Row& row) { return row.integer(0); }));
  return used.value_or(0);
}

Result<std::int64_t> removeOldest(store::Transaction& tx) {
  CORBEL_TRY(const auto sizes, tx.query("DELETE FROM prediction_cache WHERE id IN (SELECT id FROM "
                                        "prediction_cache ORDER BY expires_at LIMIT ?) "
                                        "RETURNING size_bytes",
                                        kGivenUpAtOnce)
                                   .all([](const store::Row& row) { return row.integer(0); }));
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

Result<std::int64_t> sizeOf(store::Transaction& tx, std::string_view tenant,
                            std::string_view hash) {
  CORBEL_TRY(
      const auto size,
      tx.query("SELECT size_bytes FROM prediction_cache WHERE tenant_id = ? AND input_hash = ?",
               tenant, hash)
          .one([](const store::Row& row) { return row.integer(0); }));
  return size.value_or(0);
}

}  // namespace

// Bytes of all rows, kept up by the units, on the writer's thread. A unit that runs again begins by
// taking back its share, which is what it has added.
class CacheBytes {
 public:
  void begin(std::int64_t& share) {
    if (isDoubtful_.exchange(false)) bytes_ = kUnknown;
    if (isKnown()) bytes_ -= share;
    share = 0;
  }
  void add(std::int64_t change, std::int64_t& share) {
    if (!isKnown()) return;
    bytes_ += change;
    share += change;
  }
  // Counting all rows takes long on a full cache, so it is done once.
  Result<void> makeRoom(store::Transaction& tx, std::int64_t needed, std::int64_t maxBytes,
                        std::int64_t& share) {
    if (!isKnown()) {
      CORBEL_TRY(bytes_, countBytes(tx));
    }
    while (bytes_ > 0 && bytes_ + needed > maxBytes) {
      CORBEL_TRY(const auto freed, removeOldest(tx));
      add(freed > 0 ? -freed : -bytes_, share);
    }
    return {};
  }
  // What a unit added may not have become true. Any thread.
  void doubt() { isDoubtful_ = true; }

 private:
  static constexpr std::int64_t kUnknown = -1;
  bool isKnown() const { return bytes_ >= 0; }

  std::int64_t bytes_ = kUnknown;
  std::atomic<bool> isDoubtful_ = false;
};

std::shared_ptr<CacheBytes> PredictionCache::makeUsed() { return std::make_shared<CacheBytes>(); }

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

Result<std::optional<std::string>> PredictionCache::read(std::string_view tenant,
                                                         const std::string& inputHash,
                                                         Timestamp expiresAfter,
                                                         Deadline deadline) const {
  return database_.read(
      [&](store::Reader& reader) {
        return reader
            .query(
                "SELECT prediction_data FROM prediction_cache WHERE tenant_id = ? AND input_hash = "
                "? AND expires_at > ?",
                tenant, inputHash, expiresAfter)
            .one([](const store::Row& row) { return row.string(0); });
      },
      deadline);
}

std::optional<std::string> PredictionCache::find(std::string_view tenant,
                                                 const std::string& inputHash, Deadline deadline) {
  auto found = read(tenant, inputHash, clock_.now(), deadline);
  const bool hit = found && *found;
  (hit ? hits_ : misses_).fetch_add(1, std::memory_order_relaxed);
  return hit ? *std::move(found) : std::nullopt;
}

std::optional<std::string> PredictionCache::findStale(std::string_view tenant,
                                                      const std::string& inputHash,
                                                      Deadline deadline) const {
  return read(tenant, inputHash, clock_.now() - bounds_.staleFor, deadline).value_or(std::nullopt);
}

void PredictionCache::put(std::string tenant, std::string inputHash, std::string prediction,
                          std::chrono::seconds ttl) {
  const auto size = static_cast<std::int64_t>(prediction.size()) + kRowBytes;
  ttl = std::min(ttl, bounds_.maxTtl);
  if (size > bounds_.maxBytes || ttl.count() == 0) return;
  const Timestamp expiresAt = clock_.now() + ttl;
  database_.write(
      {.apply = [used = used_, maxBytes = bounds_.maxBytes, tenant = std::move(tenant),
                 hash = std::move(inputHash), text = std::move(prediction), id = ids_.next(), size,
                 expiresAt,
                 share = std::int64_t{0}](store::Transaction& tx) mutable -> Result<void> {
         used->begin(share);
         CORBEL_TRY(const std::int64_t replaced, sizeOf(tx, tenant, hash));
         CORBEL_CHECK(used->makeRoom(tx, size - replaced, maxBytes, share));
         // Making room may have taken what would have been replaced.
         CORBEL_TRY(const std::int64_t stillThere, sizeOf(tx, tenant, hash));
         used->add(size - stillThere, share);
         return tx.execute(
             "INSERT INTO prediction_cache (id, input_hash, prediction_data, expires_at, "
             "tenant_id, "
             "size_bytes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, input_hash) DO UPDATE "
             "SET "
             "prediction_data = excluded.prediction_data, expires_at = excluded.expires_at, "
             "size_bytes = excluded.size_bytes",
             id, hash, text, expiresAt, tenant, size);
       },
       .done =
           [used = used_](const Result<void>& outcome) {
             if (!outcome) used->doubt();
           },
       .unitClass = store::UnitClass::bestEffort});
}

Result<void> PredictionCache::removeExpired(Deadline deadline) {
  std::int64_t share = 0;
  auto removed = database_.write(
      [&](store::Transaction& tx) -> Result<void> {
        used_->begin(share);
        const Timestamp now = clock_.now() - bounds_.staleFor;
        CORBEL_TRY(const auto expired,
                   tx.query("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM "
                            "prediction_cache WHERE expires_at <= ?",
                            now)
                       .one([](const store::Row& row) { return row.integer(0); }));
        used_->add(-expired.value_or(0), share);
        return tx.execute("DELETE FROM prediction_cache WHERE expires_at <= ?", now);
      },
      deadline);
  if (!removed) used_->doubt();
  return removed;
}

}  // namespace corbel::models
