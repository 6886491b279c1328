#include "directory_store.h"

#include "base/text.h"

namespace corbel::identity {

PermissionSet permissionsFromText(std::string_view text) {
  PermissionSet set;
  while (!text.empty()) {
    if (const auto known = permission(takeUntil(text, ' '))) set.add(*known);
  }
  return set;
}

namespace directory_store {

Result<std::vector<Tenant>> tenants(store::Reader& reader) {
  return reader
      .query(
          "SELECT id, name, models_max, storage_bytes_max, requests_per_minute, created_at FROM "
          "tenants ORDER BY id")
      .all([](const store::Row& row) {
        return Tenant{.id = row.string(0),
                      .name = row.string(1),
                      .quotas = {.models = row.optionalInteger(2),
                                 .storageBytes = row.optionalInteger(3),
                                 .requestsPerMinute = row.optionalInteger(4)},
                      .createdAt = row.time(5)};
      });
}

Result<std::vector<TenantRole>> roles(store::Reader& reader) {
  return reader.query("SELECT tenant_id, name, permissions FROM roles ORDER BY tenant_id, name")
      .all([](const store::Row& row) {
        return TenantRole{row.string(0),
                          {.name = row.string(1), .permissions = permissionsFromText(row.text(2))}};
      });
}

Result<void> insert(store::Transaction& tx, const Tenant& tenant) {
  return tx.execute(
      "INSERT INTO tenants (id, name, models_max, storage_bytes_max, requests_per_minute, "
      "created_at) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      tenant.id, tenant.name, tenant.quotas.models, tenant.quotas.storageBytes,
      tenant.quotas.requestsPerMinute, tenant.createdAt);
}

Result<void> update(store::Transaction& tx, const Tenant& tenant) {
  return tx.execute(
      "UPDATE tenants SET name = ?, models_max = ?, storage_bytes_max = ?, requests_per_minute = ? "
      "WHERE id = ?",
      tenant.name, tenant.quotas.models, tenant.quotas.storageBytes,
      tenant.quotas.requestsPerMinute, tenant.id);
}

Result<void> put(store::Transaction& tx, std::string_view tenant, const Role& role) {
  return tx.execute(
      "INSERT INTO roles (tenant_id, name, permissions) VALUES (?, ?, ?) "
      "ON CONFLICT (tenant_id, name) DO UPDATE SET permissions = excluded.permissions",
      tenant, role.name, toText(role.permissions));
}

Result<void> remove(store::Transaction& tx, std::string_view tenant, std::string_view role) {
  return tx.execute("DELETE FROM roles WHERE tenant_id = ? AND name = ?", tenant, role);
}

}  // namespace directory_store
}  // namespace corbel::identity
