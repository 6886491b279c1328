#include "api_key_store.h"

#include <algorithm>
#include <array>

#include "crypto/encoding.h"
#include "directory_store.h"

namespace corbel::identity::api_key_store {
namespace {

// Hashes are stored as hexadecimal text, which every database has.
std::optional<crypto::Sha256Digest> digestOf(std::string_view hex) {
  const auto bytes = crypto::fromHex(hex);
  crypto::Sha256Digest digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::ranges::copy(crypto::bytesOf(*bytes), digest.begin());
  return digest;
}

std::optional<std::uint32_t> limitOf(const store::Row& row, int column) {
  return row.isNull(column) ? std::nullopt : std::optional(row.integer<std::uint32_t>(column));
}

ApiKey keyOf(const store::Row& row) {
  const std::string role = row.string(4);
  return {.id = row.string(0),
          .tenant = row.string(1),
          .name = row.string(2),
          .prefix = row.string(3),
          .role = role,
          .permissions = builtInRole(role).value_or(permissionsFromText(row.text(5))),
          .limits = {.requestsPerMinute = limitOf(row, 6), .rowsPerMinute = limitOf(row, 7)},
          .createdBy = row.string(8),
          .createdAt = row.time(9),
          .expiresAt = row.optionalTime(10),
          .lastUsedAt = row.optionalTime(11),
          .revokedAt = row.optionalTime(12)};
}

// A hash that cannot be read proves nothing: no text has the SHA-256 of all zeros that anybody
// knows.
StoredKey storedKeyOf(const store::Row& row) {
  StoredKey stored{keyOf(row), {.secret = digestOf(row.text(13)).value_or(crypto::Sha256Digest{})}};
  if (const auto previous = row.optionalString(14)) stored.hashes.previous = digestOf(*previous);
  stored.hashes.previousUntil = row.optionalTime(15).value_or(Timestamp());
  return stored;
}

}  // namespace

Result<std::vector<StoredKey>> usable(store::Reader& reader, std::string_view after, int limit) {
  return reader
      .query(
          "SELECT id, tenant_id, name, prefix, role, permissions, requests_per_minute, "
          "rows_per_minute, created_by, "
          "created_at, expires_at, last_used_at, revoked_at, secret_hash, previous_hash, "
          "previous_until "
          "FROM api_keys WHERE revoked_at IS NULL AND id > ? ORDER BY id LIMIT ?",
          after, limit)
      .all(storedKeyOf);
}

Result<std::int64_t> countUsable(store::Reader& reader, std::string_view tenant) {
  CORBEL_TRY(
      const auto count,
      reader
          .query("SELECT COUNT(*) FROM api_keys WHERE tenant_id = ? AND revoked_at IS NULL", tenant)
          .one([](const store::Row& row) { return row.integer(0); }));
  return count.value_or(0);
}

Result<bool> any(store::Reader& reader) {
  CORBEL_TRY(const auto first,
             reader.query("SELECT 1 FROM api_keys LIMIT 1").one([](const store::Row& row) {
               return row.integer(0);
             }));
  return first.has_value();
}

Result<std::vector<ApiKey>> list(store::Reader& reader, std::string_view tenant,
                                 std::string_view after, int limit) {
  return reader
      .query(
          "SELECT id, tenant_id, name, prefix, role, permissions, requests_per_minute, "
          "rows_per_minute, created_by, "
          "created_at, expires_at, last_used_at, revoked_at "
          "FROM api_keys WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?",
          tenant, after, limit)
      .all(keyOf);
}

Result<std::vector<ApiKey>> madeBy(store::Reader& reader, const ApiKeys::Maker& maker,
                                   std::string_view after, int limit) {
  return reader
      .query(
          "SELECT id, tenant_id, name, prefix, role, permissions, requests_per_minute, "
          "rows_per_minute, created_by, created_at, expires_at, last_used_at, revoked_at FROM "
          "api_keys WHERE tenant_id = ? AND created_by = ? AND created_at <= ? AND id > ? ORDER BY "
          "id LIMIT ?",
          maker.tenant, maker.principal, maker.until, after, limit)
      .all(keyOf);
}

Result<std::optional<StoredKey>> find(store::Reader& reader, std::string_view tenant,
                                      std::string_view id) {
  return reader
      .query(
          "SELECT id, tenant_id, name, prefix, role, permissions, requests_per_minute, "
          "rows_per_minute, created_by, "
          "created_at, expires_at, last_used_at, revoked_at, secret_hash, previous_hash, "
          "previous_until "
          "FROM api_keys WHERE tenant_id = ? AND id = ?",
          tenant, id)
      .one(storedKeyOf);
}

Result<void> insert(store::Transaction& tx, const StoredKey& stored) {
  const ApiKey& key = stored.key;
  return tx.execute(
      "INSERT INTO api_keys (id, tenant_id, name, prefix, secret_hash, role, permissions, "
      "requests_per_minute, "
      "rows_per_minute, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?)",
      key.id, key.tenant, key.name, key.prefix, crypto::hex(stored.hashes.secret), key.role,
      toText(key.permissions), key.limits.requestsPerMinute, key.limits.rowsPerMinute,
      key.createdBy, key.createdAt, key.expiresAt);
}

Result<void> setHashes(store::Transaction& tx, std::string_view id, const KeyHashes& hashes) {
  std::optional<std::string> previous;
  if (hashes.previous) previous = crypto::hex(*hashes.previous);
  CORBEL_TRY(const auto changed,
             tx.change("UPDATE api_keys SET secret_hash = ?, previous_hash = ?, previous_until = ? "
                       "WHERE id = ? AND revoked_at IS NULL",
                       crypto::hex(hashes.secret), previous, hashes.previousUntil, id));
  if (changed == 0) return fail(ErrorCode::failedPrecondition, "The key was revoked.");
  return {};
}

Result<void> revoke(store::Transaction& tx, std::string_view id, Timestamp at) {
  return tx.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", at,
                    id);
}

Result<void> forgetRevoked(store::Transaction& tx, std::string_view tenant, int kept) {
  return tx.execute(
      "DELETE FROM api_keys WHERE tenant_id = ? AND revoked_at IS NOT NULL AND id NOT IN "
      "(SELECT id FROM api_keys WHERE tenant_id = ? AND revoked_at IS NOT NULL "
      "ORDER BY revoked_at DESC, id DESC LIMIT ?)",
      tenant, tenant, kept);
}

Result<void> remove(store::Transaction& tx, std::string_view id) {
  return tx.execute("DELETE FROM api_keys WHERE id = ?", id);
}

Result<void> setLastUse(store::Transaction& tx, std::string_view id, Timestamp at) {
  return tx.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", at, id);
}

}  // namespace corbel::identity::api_key_store
