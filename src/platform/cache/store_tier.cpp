#include "cache/store_tier.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "store/migration.h"

namespace corbel::cache {
namespace {

using std::chrono::milliseconds;

// What a row costs beside its texts: keys twice, with the index.
constexpr std::int64_t kRowBytes = 300;
// Given up at once, so that room is not made for every single value.
constexpr int kGivenUpAtOnce = 256;
// A clock that was set back must not keep a value for ever.
constexpr milliseconds kLongestTtl{std::chrono::hours(24 * 30)};

// The view has the name and the columns that existing integrations read.
constexpr std::string_view kUp = R"sql(
CREATE TABLE cache_entries (
  tenant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  fresh_until BIGINT NOT NULL,
  kept_until BIGINT NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, kind, name)
);
CREATE INDEX cache_entries_expiry ON cache_entries (kept_until);
CREATE VIEW prediction_cache AS
  SELECT tenant_id || ':' || name AS id, name AS input_hash, CAST(value AS TEXT) AS prediction_data,
    fresh_until AS expires_at
  FROM cache_entries WHERE kind = 'predictions'
)sql";
constexpr std::array kMigrations{
    store::Migration{1, "cache", kUp, "DROP VIEW prediction_cache; DROP TABLE cache_entries"}};

Result<std::int64_t> countBytes(store::Transaction& tx) {
  CORBEL_TRY(const auto used,
             tx.query("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM cache_entries")
                 .one([](const store::Row& row) { return row.integer(0); }));
  return used.value_or(0);
}

Result<std::int64_t> removeFirstToExpire(store::Transaction& tx) {
  CORBEL_TRY(const auto sizes,
             tx.query("DELETE FROM cache_entries WHERE (tenant_id, kind, name) IN (SELECT "
                      "tenant_id, kind, name FROM cache_entries ORDER BY kept_until LIMIT ?) "
                      "RETURNING size_bytes",
                      kGivenUpAtOnce)
                 .all([](const store::Row& row) { return row.integer(0); }));
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

// The texts of a key for somebody who outlives it.
struct OwnedKey {
  explicit OwnedKey(const Key& key) : tenant(key.tenant), kind(key.kind), name(key.name) {}
  std::string tenant;
  std::string kind;
  std::string name;
};

Result<std::int64_t> sizeOf(store::Transaction& tx, const OwnedKey& key) {
  CORBEL_TRY(const auto size,
             tx.query("SELECT size_bytes FROM cache_entries WHERE tenant_id = ? AND kind = ? AND "
                      "name = ?",
                      key.tenant, key.kind, key.name)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return size.value_or(0);
}

// Bytes of all rows, kept up by the units, on the writer's thread. A unit that runs again begins by
// taking back its share, which is what it has added.
class UsedBytes {
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
      CORBEL_TRY(const auto freed, removeFirstToExpire(tx));
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

class StoreTier final : public Tier {
 public:
  StoreTier(std::unique_ptr<store::Database> database, std::int64_t maxBytes, const Clock& clock)
      : maxBytes_(maxBytes), clock_(clock), database_(std::move(database)) {}

  std::optional<Entry> find(const Key& key, Deadline deadline) override {
    auto found = database_->read(
        [&](store::Reader& reader) {
          return reader
              .query(
                  "SELECT value, fresh_until FROM cache_entries WHERE tenant_id = ? AND kind = ? "
                  "AND name = ? AND kept_until > ?",
                  key.tenant, key.kind, key.name, clock_.now())
              .one([&](const store::Row& row) {
                const auto bytes = row.bytes(0);
                return Entry{std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                             std::min<milliseconds>(row.time(1) - clock_.now(), kLongestTtl)};
              });
        },
        deadline);
    return found ? *std::move(found) : std::nullopt;
  }

  void put(const Key& key, const Entry& entry, milliseconds staleFor) override {
    const auto size = static_cast<std::int64_t>(entry.value.size()) + kRowBytes;
    if (size > maxBytes_) return;
    const Timestamp freshUntil = clock_.now() + std::min(entry.freshFor, kLongestTtl);
    // A unit that was refused has added nothing. To count all rows for each of them would keep the
    // writer busy, and so the queue full.
    const auto hasBegun = std::make_shared<bool>(false);
    database_->write({.apply =
                          [this, hasBegun, key = OwnedKey(key), value = entry.value, size,
                           freshUntil, keptUntil = freshUntil + staleFor,
                           share = std::int64_t{0}](store::Transaction& tx) mutable {
                            *hasBegun = true;
                            return write(tx, key, value, size, {freshUntil, keptUntil}, share);
                          },
                      .done =
                          [this, hasBegun](const Result<void>& outcome) {
                            if (!outcome && *hasBegun) used_.doubt();
                          },
                      .unitClass = store::UnitClass::bestEffort});
  }

  Result<void> sweep(Deadline deadline) override {
    std::int64_t share = 0;
    auto removed = database_->write(
        [&](store::Transaction& tx) -> Result<void> {
          used_.begin(share);
          const Timestamp now = clock_.now();
          CORBEL_TRY(const auto expired,
                     tx.query("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM "
                              "cache_entries WHERE kept_until <= ?",
                              now)
                         .one([](const store::Row& row) { return row.integer(0); }));
          used_.add(-expired.value_or(0), share);
          return tx.execute("DELETE FROM cache_entries WHERE kept_until <= ?", now);
        },
        deadline);
    if (!removed) used_.doubt();
    return removed;
  }

 private:
  struct Until {
    Timestamp fresh;
    Timestamp kept;
  };

  Result<void> write(store::Transaction& tx, const OwnedKey& key, const std::string& value,
                     std::int64_t size, Until until, std::int64_t& share) {
    used_.begin(share);
    CORBEL_TRY(const std::int64_t replaced, sizeOf(tx, key));
    CORBEL_CHECK(used_.makeRoom(tx, size - replaced, maxBytes_, share));
    // Making room may have taken what would have been replaced.
    CORBEL_TRY(const std::int64_t stillThere, sizeOf(tx, key));
    used_.add(size - stillThere, share);
    return tx.execute(
        "INSERT INTO cache_entries (tenant_id, kind, name, value, fresh_until, kept_until, "
        "size_bytes) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, kind, name) DO UPDATE "
        "SET value = excluded.value, fresh_until = excluded.fresh_until, kept_until = "
        "excluded.kept_until, size_bytes = excluded.size_bytes",
        key.tenant, key.kind, key.name, std::as_bytes(std::span(value)), until.fresh, until.kept,
        size);
  }

  const std::int64_t maxBytes_;
  const Clock& clock_;
  UsedBytes used_;
  std::unique_ptr<store::Database> database_;  // the last: its units use all others
};

Result<std::unique_ptr<Tier>> tryOpen(const std::filesystem::path& folder, std::int64_t maxBytes,
                                      const Clock& clock) {
  store::SqliteOptions options{.dataFolder = folder, .fileName = "cache.db"};
  options.durability = store::Durability::cache;
  // Rows are estimated, pages are not: should the estimate be wrong, the file ends here.
  options.fileBytesMax = static_cast<std::uint64_t>(maxBytes) * 5 / 4;
  CORBEL_TRY(auto database, store::openSqlite(options, clock));
  CORBEL_CHECK(store::migrateUp(*database, kMigrations, clock));
  return std::make_unique<StoreTier>(std::move(database), maxBytes, clock);
}

}  // namespace

Result<std::unique_ptr<Tier>> openStoreTier(const std::filesystem::path& folder,
                                            std::int64_t maxBytes, const Clock& clock) {
  auto opened = tryOpen(folder, maxBytes, clock);
  if (opened || opened.error().code != ErrorCode::failedPrecondition) return opened;
  // Damaged, or of a newer program: nothing in it is missed.
  std::error_code error;
  for (const char* const name : {"cache.db", "cache.db-wal", "cache.db-shm"})
    std::filesystem::remove(folder / name, error);
  return tryOpen(folder, maxBytes, clock);
}

}  // namespace corbel::cache
