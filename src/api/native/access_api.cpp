#include "native/access_api.h"

#include <utility>

namespace corbel::native {
namespace {

RoleView view(const identity::Role& role) {
  return {role.name, role.permissions.names(), role.builtIn};
}

TenantView view(const identity::Tenant& tenant) {
  return {tenant.id,
          tenant.name,
          {tenant.quotas.models, tenant.quotas.storageBytes, tenant.quotas.requestsPerMinute},
          tenant.createdAt};
}

identity::TenantQuotas toQuotas(const QuotasView& quotas) {
  return {quotas.models, quotas.storageBytes, quotas.requestsPerMinute};
}

}  // namespace

Result<MeView> AccessApi::me(http::Call& call) {
  const identity::Principal& principal = call.principal();
  MeView view{.kind = std::string(identity::name(principal.kind)),
              .id = principal.id,
              .name = principal.name,
              .tenant = call.tenant(),
              .memberships = {},
              .expiresAt = principal.expiresAt};
  for (const identity::Membership& membership : principal.memberships) {
    view.memberships.push_back(
        {membership.tenant, membership.roles, membership.permissions.names()});
  }
  return view;
}

Result<RoleList> AccessApi::listRoles(http::Call& call) {
  RoleList list;
  for (const identity::Role& role : directory_.roles(call.tenant()))
    list.items.push_back(view(role));
  return list;
}

Result<RoleView> AccessApi::saveRole(http::Call& call, const RolePermissions& request) {
  CORBEL_TRY(const auto permissions, identity::permissions(request.permissions));
  const identity::Role role{std::string(call.parameter("role")), permissions};
  CORBEL_CHECK(directory_.saveRole(role, call.actor(), call.deadline()));
  return view(role);
}

Result<http::NoContent> AccessApi::removeRole(http::Call& call) {
  CORBEL_CHECK(directory_.removeRole(call.parameter("role"), call.actor(), call.deadline()));
  return http::NoContent{};
}

Result<TenantList> AccessApi::listTenants(http::Call& call) {
  TenantList list;
  for (const identity::Tenant& tenant : directory_.tenants(call.actor()))
    list.items.push_back(view(tenant));
  return list;
}

Result<http::Created<TenantView>> AccessApi::createTenant(http::Call& call,
                                                          const NewTenantRequest& request) {
  CORBEL_TRY(const auto tenant,
             directory_.createTenant({request.id, request.name, toQuotas(request.quotas)},
                                     call.actor(), call.deadline()));
  return http::Created<TenantView>{"/api/v1/ai/tenants/" + tenant.id, view(tenant)};
}

Result<TenantView> AccessApi::readTenant(http::Call& call) {
  CORBEL_TRY(const auto tenant, directory_.tenant(call.parameter("tenant"), call.actor()));
  return view(tenant);
}

Result<TenantView> AccessApi::changeTenant(http::Call& call, const TenantPatch& request) {
  identity::TenantChange change{.name = request.name};
  if (request.quotas) change.quotas = toQuotas(*request.quotas);
  CORBEL_TRY(const auto tenant, directory_.changeTenant(call.parameter("tenant"), change,
                                                        call.actor(), call.deadline()));
  return view(tenant);
}

}  // namespace corbel::native
