#include "data_key_store.h"

namespace corbel::secrets::data_key_store {
namespace {

StoredKey keyOf(const store::Row& row) {
  return {.id = row.string(0),
          .tenant = row.string(1),
          .masterKey = row.string(2),
          .wrapped = row.string(3)};
}

}  // namespace

Result<bool> any(store::Reader& reader) {
  CORBEL_TRY(const auto found,
             reader.query("SELECT 1 FROM data_keys LIMIT 1").one([](const auto&) { return true; }));
  return found.has_value();
}

Result<std::optional<StoredKey>> find(store::Reader& reader, std::string_view tenant) {
  return reader
      .query("SELECT id, tenant_id, master_key, wrapped FROM data_keys WHERE tenant_id = ?", tenant)
      .one(keyOf);
}

Result<std::vector<StoredKey>> wrappedByOthers(store::Reader& reader, std::string_view current,
                                               std::string_view after, int limit) {
  return reader
      .query(
          "SELECT id, tenant_id, master_key, wrapped FROM data_keys WHERE master_key <> ? AND id > "
          "? ORDER BY id LIMIT ?",
          current, after, limit)
      .all(keyOf);
}

Result<void> insert(store::Transaction& tx, const StoredKey& key, Timestamp now) {
  return tx.execute(
      "INSERT INTO data_keys (id, tenant_id, master_key, wrapped, created_at) VALUES (?, ?, ?, ?, "
      "?) ON CONFLICT (tenant_id) DO NOTHING",
      key.id, key.tenant, key.masterKey, key.wrapped, now);
}

Result<void> replace(store::Transaction& tx, const StoredKey& key, std::string_view before) {
  return tx.execute(
      "UPDATE data_keys SET master_key = ?, wrapped = ? WHERE id = ? AND master_key = ?",
      key.masterKey, key.wrapped, key.id, before);
}

Result<std::optional<std::string>> sharedSecret(store::Reader& reader, std::string_view name) {
  return reader.query("SELECT sealed FROM installation_secrets WHERE name = ?", name)
      .one([](const store::Row& row) { return row.string(0); });
}

Result<void> insertShared(store::Transaction& tx, std::string_view name, std::string_view sealed,
                          Timestamp now) {
  return tx.execute(
      "INSERT INTO installation_secrets (name, sealed, created_at) VALUES (?, ?, ?) ON CONFLICT "
      "(name) DO NOTHING",
      name, sealed, now);
}

}  // namespace corbel::secrets::data_key_store
