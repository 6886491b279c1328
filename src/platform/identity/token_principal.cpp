#include "token_principal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/percent.h"

namespace corbel::identity {
namespace {

// Identity is issuer and subject: the same subject of another issuer is somebody else. The
// subject's '@' is escaped, so no two pairs make one id.
std::string idOf(const std::string& user, const std::string& iss) {
  return iss.empty() ? fmt::format("user:{}", percentEncode(user))
                     : fmt::format("user:{}@{}", percentEncode(user), iss);
}

}  // namespace

PrincipalRef principalOf(const Claims& claims, const IssuerConfig& issuer,
                         const Directory& directory) {
  Principal principal{
      .kind = PrincipalKind::user, .id = idOf(claims.user, issuer.iss), .name = claims.name};
  const std::vector<std::string> standardRoles(issuer.defaultRole.empty() ? 0 : 1,
                                               issuer.defaultRole);
  const std::vector<std::string> roles = claims.roles.value_or(standardRoles);
  std::vector<std::string> tenants = claims.tenants.value_or(std::vector{issuer.defaultTenant});
  std::ranges::sort(tenants);
  const auto [from, to] = std::ranges::unique(tenants);
  tenants.erase(from, to);
  for (const std::string& tenant : tenants) {
    if (auto membership = directory.membership(tenant, roles))
      principal.memberships.push_back(*std::move(membership));
  }
  return std::make_shared<const Principal>(std::move(principal));
}

}  // namespace corbel::identity
