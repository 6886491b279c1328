// Who calls, in which tenant, and what the caller may do there. Plain values; where they come from
// is in api_keys.h, jwt.h and directory.h.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace corbel::identity {

// What one route asks for. A new permission goes to the end and gets its word in kPermissionNames.
enum class Permission : std::uint8_t {
  modelsRead,     // see models and versions
  modelsWrite,    // register, change and remove them
  modelsPredict,  // run them
  keysRead,
  keysWrite,
  tenantsRead,
  tenantsWrite,
  rolesRead,
  rolesWrite,
  settingsRead,
  systemRead,  // detailed health and metrics
  eventsRead,  // see webhooks and what was sent to them
  eventsWrite,
  auditRead,     // see who did what
  jobsRead,      // see jobs, their files and schedules
  jobsWrite,     // start, cancel and schedule them
  personalData,  // export and erase what is kept about a person
  usersRead,     // see the people who sign in here
  usersWrite,
};
inline constexpr std::array<std::string_view, 19> kPermissionNames = {
    "models:read",  "models:write",  "models:predict", "keys:read",   "keys:write",
    "tenants:read", "tenants:write", "roles:read",     "roles:write", "settings:read",
    "system:read",  "events:read",   "events:write",   "audit:read",  "jobs:read",
    "jobs:write",   "personal-data", "users:read",     "users:write"};

constexpr std::string_view name(Permission permission) {
  return kPermissionNames[static_cast<std::size_t>(permission)];
}
std::optional<Permission> permission(std::string_view name);

class PermissionSet {
 public:
  constexpr PermissionSet() = default;
  constexpr PermissionSet(std::initializer_list<Permission> permissions) {
    for (const Permission permission : permissions) add(permission);
  }
  static constexpr PermissionSet all() {
    PermissionSet set;
    set.bits_ = (1u << kPermissionNames.size()) - 1;
    return set;
  }

  constexpr void add(Permission permission) { bits_ |= bit(permission); }
  constexpr bool contains(Permission permission) const { return (bits_ & bit(permission)) != 0; }
  constexpr bool isSubsetOf(PermissionSet other) const { return (bits_ & ~other.bits_) == 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr PermissionSet operator|(PermissionSet other) const {
    return PermissionSet(bits_ | other.bits_);
  }
  constexpr PermissionSet operator&(PermissionSet other) const {
    return PermissionSet(bits_ & other.bits_);
  }
  constexpr PermissionSet without(PermissionSet other) const {
    return PermissionSet(bits_ & ~other.bits_);
  }
  bool operator==(const PermissionSet&) const = default;

  // In the order of Permission.
  std::vector<std::string> names() const;

 private:
  static_assert(kPermissionNames.size() < 32);
  static constexpr std::uint32_t bit(Permission permission) {
    return 1u << static_cast<unsigned>(permission);
  }
  explicit constexpr PermissionSet(std::uint32_t bits) : bits_(bits) {}
  std::uint32_t bits_ = 0;
};

// "models:read models:predict"
std::string toText(PermissionSet permissions);
// invalid_argument: an unknown word; the message names it and all that are allowed.
Result<PermissionSet> permissions(const std::vector<std::string>& names);

// Roles that every tenant has. `service` is for programs that only predict and watch.
struct BuiltInRole {
  std::string_view name;
  PermissionSet permissions;
};
namespace detail {
using enum Permission;
inline constexpr PermissionSet kViewer{modelsRead, modelsPredict, jobsRead};
inline constexpr PermissionSet kDeveloper =
    kViewer | PermissionSet{modelsWrite, settingsRead, jobsWrite};
inline constexpr PermissionSet kAdmin =
    kDeveloper | PermissionSet{keysRead,   keysWrite,  tenantsRead, rolesRead,
                               rolesWrite, systemRead, eventsRead,  eventsWrite,
                               auditRead,  usersRead,  usersWrite,  personalData};
}  // namespace detail
inline constexpr std::array kBuiltInRoles = {
    BuiltInRole{"owner", PermissionSet::all()}, BuiltInRole{"admin", detail::kAdmin},
    BuiltInRole{"developer", detail::kDeveloper}, BuiltInRole{"viewer", detail::kViewer},
    BuiltInRole{"service", PermissionSet{Permission::modelsRead, Permission::modelsPredict,
                                         Permission::systemRead, Permission::jobsRead}}};

std::optional<PermissionSet> builtInRole(std::string_view name);

// The tenant that every installation has. Its owners run the installation: they alone make tenants.
inline constexpr std::string_view kDefaultTenant = "default";

// Of a whole tenant; none: unlimited.
struct TenantQuotas {
  std::optional<std::int64_t> models = {};
  std::optional<std::int64_t> storageBytes = {};
  std::optional<std::int64_t> requestsPerMinute = {};
  bool operator==(const TenantQuotas&) const = default;
};

struct Tenant {
  std::string id;  // lower-case letters, digits and '-', at most 63; what X-Tenant-ID names
  std::string name;
  TenantQuotas quotas = {};
  Timestamp createdAt;
};

// What one principal may do in one tenant.
struct Membership {
  std::string tenant;
  std::vector<std::string> roles;  // for display; the permissions decide
  PermissionSet permissions;
  bool operator==(const Membership&) const = default;
};

// Of one API key; none: what the settings say for keys.
struct KeyLimits {
  std::optional<std::uint32_t> requestsPerMinute = {};
  std::optional<std::uint32_t> rowsPerMinute = {};
  bool operator==(const KeyLimits&) const = default;
};

enum class PrincipalKind : std::uint8_t { user, apiKey, service, anonymous };
std::string_view name(PrincipalKind kind);  // "user", "api_key", "service", "anonymous"

// Immutable once made, shared by all calls of the caller.
struct Principal {
  PrincipalKind kind = PrincipalKind::anonymous;
  std::string id =
      {};  // unique among all principals: rate limits, audit and idempotency count by it
  std::string name = {};  // for people; not unique
  std::vector<Membership> memberships = {};
  KeyLimits limits = {};
  std::optional<Timestamp> expiresAt = {};  // of an API key
  bool accounted = false;  // by the process that passes the call on: its limits hold there
};
using PrincipalRef = std::shared_ptr<const Principal>;

// A caller without credential, on an installation that asks for none: may do everything in the
// default tenant.
PrincipalRef trustedAnonymous();

// A principal at work in one of its tenants. A view: both must outlive it.
struct Actor {
  const Principal& principal;
  const Membership& membership;
};

// The membership that a call acts under. `requested` is the value of X-Tenant-ID, empty when there
// is none. not_found: the tenant does not exist or is somebody else's. invalid_argument: none was
// named and there are several. permission_denied: the principal belongs to no tenant. Valid as long
// as the principal.
Result<const Membership*> chooseTenant(const Principal& principal, std::string_view requested);

// permission_denied: the membership lacks it; the message names it.
Result<void> require(const Membership& membership, Permission permission);

}  // namespace corbel::identity
