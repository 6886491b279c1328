#include "identity/identity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace corbel::identity {

std::optional<Permission> permission(std::string_view name) {
  const auto found = std::ranges::find(kPermissionNames, name);
  if (found == kPermissionNames.end()) return std::nullopt;
  return static_cast<Permission>(found - kPermissionNames.begin());
}

std::vector<std::string> PermissionSet::names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kPermissionNames.size(); ++i) {
    if (contains(static_cast<Permission>(i))) names.emplace_back(kPermissionNames[i]);
  }
  return names;
}

std::string toText(PermissionSet permissions) {
  return fmt::format("{}", fmt::join(permissions.names(), " "));
}

Result<PermissionSet> permissions(const std::vector<std::string>& names) {
  PermissionSet set;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto known = permission(names[i]);
    if (!known) {
      return failField(
          fmt::format("/permissions/{}", i),
          fmt::format("is no permission; allowed are {}", fmt::join(kPermissionNames, ", ")));
    }
    set.add(*known);
  }
  return set;
}

std::optional<PermissionSet> builtInRole(std::string_view name) {
  const auto found = std::ranges::find(kBuiltInRoles, name, &BuiltInRole::name);
  if (found == kBuiltInRoles.end()) return std::nullopt;
  return found->permissions;
}

std::string_view name(PrincipalKind kind) {
  switch (kind) {
    case PrincipalKind::user:
      return "user";
    case PrincipalKind::apiKey:
      return "api_key";
    case PrincipalKind::service:
      return "service";
    case PrincipalKind::anonymous:
      return "anonymous";
  }
  std::unreachable();
}

PrincipalRef trustedAnonymous() {
  Principal principal{.kind = PrincipalKind::anonymous, .id = "anonymous", .name = "anonymous"};
  principal.memberships.push_back({std::string(kDefaultTenant), {"owner"}, PermissionSet::all()});
  return std::make_shared<const Principal>(std::move(principal));
}

Result<const Membership*> chooseTenant(const Principal& principal, std::string_view requested) {
  const auto& own = principal.memberships;
  if (requested.empty()) {
    if (own.size() == 1) return own.data();
    if (own.empty())
      return fail(ErrorCode::permissionDenied, "This credential belongs to no tenant.");
    return fail(ErrorCode::invalidArgument,
                "X-Tenant-ID: is required, because this credential belongs to several tenants");
  }
  const auto found = std::ranges::find(own, requested, &Membership::tenant);
  // The same answer for a tenant that exists and one that does not: nobody learns who else is here.
  if (found == own.end()) return fail(ErrorCode::notFound, "X-Tenant-ID: there is no such tenant");
  return &*found;
}

Result<void> require(const Membership& membership, Permission permission) {
  if (membership.permissions.contains(permission)) return {};
  return fail(ErrorCode::permissionDenied,
              fmt::format("This needs the permission {}.", name(permission)));
}

}  // namespace corbel::identity
