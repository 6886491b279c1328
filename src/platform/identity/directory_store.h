// Tenants and roles as rows.
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "identity/directory.h"
#include "store/store.h"

namespace corbel::identity {

struct TenantRole {
  std::string tenant;
  Role role;
};

// What it cannot do itself is an error of the statement, see Transaction.
namespace directory_store {

Result<std::vector<Tenant>> tenants(store::Reader& reader);
Result<std::vector<TenantRole>> roles(store::Reader& reader);
Result<void> insert(store::Transaction& tx, const Tenant& tenant);
Result<void> update(store::Transaction& tx, const Tenant& tenant);
Result<void> put(store::Transaction& tx, std::string_view tenant, const Role& role);
Result<void> remove(store::Transaction& tx, std::string_view tenant, std::string_view role);

}  // namespace directory_store

// Stored words; those of a newer program are left out.
PermissionSet permissionsFromText(std::string_view text);

}  // namespace corbel::identity
