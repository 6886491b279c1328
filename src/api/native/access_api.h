// Who the caller is, and the roles and tenants of the installation. See docs/access.md.
#pragma once
#include <tuple>

#include "http/route.h"
#include "identity/directory.h"
#include "native/identity_dto.h"

namespace corbel::native {

class AccessApi {
 public:
  explicit AccessApi(identity::Directory& directory) : directory_(directory) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&AccessApi::me>("/api/v1/ai/me", Permission::modelsRead,
                                  "Who am I, and what may I do?"),
        http::get<&AccessApi::listRoles>("/api/v1/ai/roles", Permission::rolesRead, "List roles"),
        http::put<&AccessApi::saveRole>("/api/v1/ai/roles/{role}", Permission::rolesWrite,
                                        "Make or replace a role"),
        http::del<&AccessApi::removeRole>("/api/v1/ai/roles/{role}", Permission::rolesWrite,
                                          "Remove a role"),
        http::get<&AccessApi::listTenants>("/api/v1/ai/tenants", Permission::tenantsRead,
                                           "List tenants"),
        http::post<&AccessApi::createTenant>("/api/v1/ai/tenants", Permission::tenantsWrite,
                                             "Make a tenant"),
        http::get<&AccessApi::readTenant>("/api/v1/ai/tenants/{tenant}", Permission::tenantsRead,
                                          "Read a tenant"),
        http::patch<&AccessApi::changeTenant>("/api/v1/ai/tenants/{tenant}",
                                              Permission::tenantsWrite, "Change a tenant")};
  }

 private:
  Result<MeView> me(http::Call& call);
  Result<RoleList> listRoles(http::Call& call);
  Result<RoleView> saveRole(http::Call& call, const RolePermissions& request);
  Result<http::NoContent> removeRole(http::Call& call);
  Result<TenantList> listTenants(http::Call& call);
  Result<http::Created<TenantView>> createTenant(http::Call& call, const NewTenantRequest& request);
  Result<TenantView> readTenant(http::Call& call);
  Result<TenantView> changeTenant(http::Call& call, const TenantPatch& request);

  identity::Directory& directory_;
};

}  // namespace corbel::native
