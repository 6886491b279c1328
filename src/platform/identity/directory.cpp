#include "identity/directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/limits.h"
#include "checks.h"
#include "directory_store.h"

namespace corbel::identity {
namespace {

// What the counters can hold; JSON numbers are exact up to 2^53.
constexpr std::int64_t kMaxModels = 1'000'000'000;
constexpr std::int64_t kMaxStorageBytes = std::int64_t{1} << 53;
constexpr std::int64_t kMaxRequestsPerMinute = 4'000'000'000;

bool runsTheInstallation(const Actor& actor) {
  return actor.membership.tenant == kDefaultTenant &&
         actor.membership.permissions.contains(Permission::tenantsWrite);
}

bool seesAllTenants(const Actor& actor) {
  return actor.membership.tenant == kDefaultTenant &&
         actor.membership.permissions.contains(Permission::tenantsRead);
}

Result<void> checkQuotas(const TenantQuotas& quotas) {
  const auto check = [](std::string_view pointer, const std::optional<std::int64_t>& quota,
                        std::int64_t max) -> Result<void> {
    if (!quota || (*quota >= 0 && *quota <= max)) return {};
    return failField(std::string(pointer), fmt::format("must be from 0 to {}", max));
  };
  CORBEL_CHECK(check("/quotas/models", quotas.models, kMaxModels));
  CORBEL_CHECK(check("/quotas/storageBytes", quotas.storageBytes, kMaxStorageBytes));
  return check("/quotas/requestsPerMinute", quotas.requestsPerMinute, kMaxRequestsPerMinute);
}

std::unexpected<Error> noSuchTenant(std::string_view id) {
  return fail(ErrorCode::notFound, fmt::format("There is no tenant '{}'.", id));
}

}  // namespace

struct Directory::Contents {
  std::map<std::string, Tenant, std::less<>> tenants;
  std::map<std::string, std::vector<Role>, std::less<>> roles;  // custom ones, by tenant

  const Role* customRole(std::string_view tenant, std::string_view name) const {
    const auto own = roles.find(tenant);
    if (own == roles.end()) return nullptr;
    const auto found = std::ranges::find(own->second, name, &Role::name);
    return found == own->second.end() ? nullptr : &*found;
  }
};

Directory::~Directory() = default;

Result<std::shared_ptr<Directory::Contents>> Directory::read(Deadline deadline) const {
  auto contents = std::make_shared<Contents>();
  CORBEL_CHECK(database_.read(
      [&](store::Reader& reader) -> Result<void> {
        CORBEL_TRY(auto tenants, directory_store::tenants(reader));
        CORBEL_TRY(auto roles, directory_store::roles(reader));
        for (Tenant& tenant : tenants) contents->tenants.emplace(tenant.id, std::move(tenant));
        for (TenantRole& role : roles) contents->roles[role.tenant].push_back(std::move(role.role));
        return {};
      },
      deadline));
  return contents;
}

Result<void> Directory::refresh(Deadline deadline) {
  const MutexLock lock(changes_);
  CORBEL_TRY(auto contents, read(deadline));
  remember(std::move(contents));
  return {};
}

Result<std::unique_ptr<Directory>> Directory::load(store::Database& database, const Clock& clock,
                                                   Deadline deadline) {
  std::unique_ptr<Directory> directory(new Directory(database, clock));
  CORBEL_TRY(auto contents, directory->read(deadline));
  const bool isNew = !contents->tenants.contains(kDefaultTenant);
  const MutexLock lock(directory->changes_);
  directory->remember(std::move(contents));
  if (!isNew) return directory;
  const Tenant tenant{
      .id = std::string(kDefaultTenant), .name = "Default", .quotas = {}, .createdAt = clock.now()};
  CORBEL_CHECK(directory->keep(tenant, Existence::isNew, deadline));
  return directory;
}

Directory::ContentsRef Directory::contents() const {
  const MutexLock lock(mutex_);
  return contents_;
}

void Directory::remember(std::shared_ptr<Contents> contents) {
  const MutexLock lock(mutex_);
  contents_ = std::move(contents);
}

Result<void> Directory::keep(const Tenant& tenant, Existence existence, Deadline deadline) {
  CORBEL_CHECK(database_.write(
      [&](store::Transaction& tx) {
        tx.about("tenants/" + tenant.id);
        return existence == Existence::isNew ? directory_store::insert(tx, tenant)
                                             : directory_store::update(tx, tenant);
      },
      deadline));
  auto next = std::make_shared<Contents>(*contents());
  next->tenants.insert_or_assign(tenant.id, tenant);
  remember(std::move(next));
  return {};
}

std::vector<Tenant> Directory::tenants(const Actor& by) const {
  std::vector<Tenant> visible;
  for (const auto& [id, tenant] : contents()->tenants) {
    if (id == by.membership.tenant || seesAllTenants(by)) visible.push_back(tenant);
  }
  return visible;
}

Result<Tenant> Directory::tenant(std::string_view id, const Actor& by) const {
  const auto held = contents();
  const auto found = held->tenants.find(id);
  const bool visible = id == by.membership.tenant || seesAllTenants(by);
  if (found == held->tenants.end() || !visible) return noSuchTenant(id);
  return found->second;
}

std::optional<TenantQuotas> Directory::quotas(std::string_view tenant) const {
  const auto held = contents();
  const auto found = held->tenants.find(tenant);
  if (found == held->tenants.end()) return std::nullopt;
  return found->second.quotas;
}

Result<Tenant> Directory::createTenant(const NewTenant& fresh, const Actor& by, Deadline deadline) {
  if (!runsTheInstallation(by)) {
    return fail(ErrorCode::permissionDenied, "Only owners of the default tenant make tenants.");
  }
  CORBEL_CHECK(checkWord("/id", fresh.id));
  CORBEL_CHECK(checkName("/name", fresh.name));
  CORBEL_CHECK(checkQuotas(fresh.quotas));
  Tenant tenant{
      .id = fresh.id, .name = fresh.name, .quotas = fresh.quotas, .createdAt = clock_.now()};
  const MutexLock lock(changes_);
  if (contents()->tenants.contains(tenant.id)) {
    return failField("/id", "is taken by another tenant", ErrorCode::alreadyExists);
  }
  CORBEL_CHECK(keep(tenant, Existence::isNew, deadline));
  return tenant;
}

Result<Tenant> Directory::changeTenant(std::string_view id, const TenantChange& change,
                                       const Actor& by, Deadline deadline) {
  const MutexLock lock(changes_);
  CORBEL_TRY(Tenant changed, tenant(id, by));
  const bool own =
      id == by.membership.tenant && by.membership.permissions.contains(Permission::tenantsWrite);
  if (!runsTheInstallation(by) && (!own || change.quotas)) {
    return fail(ErrorCode::permissionDenied,
                change.quotas ? "Only owners of the default tenant change quotas."
                              : "This needs the permission tenants:write in that tenant.");
  }
  if (change.name) CORBEL_CHECK(checkName("/name", *change.name));
  if (change.quotas) CORBEL_CHECK(checkQuotas(*change.quotas));
  changed.name = change.name.value_or(changed.name);
  changed.quotas = change.quotas.value_or(changed.quotas);
  CORBEL_CHECK(keep(changed, Existence::known, deadline));
  return changed;
}

std::vector<Role> Directory::roles(std::string_view tenant) const {
  std::vector<Role> all;
  for (const BuiltInRole& role : kBuiltInRoles)
    all.push_back({std::string(role.name), role.permissions, true});
  const auto held = contents();
  if (const auto own = held->roles.find(tenant); own != held->roles.end()) {
    all.insert(all.end(), own->second.begin(), own->second.end());
  }
  return all;
}

Result<void> Directory::saveRole(const Role& role, const Actor& by, Deadline deadline) {
  CORBEL_CHECK(checkWord("/name", role.name));
  if (builtInRole(role.name))
    return failField("/name", "is the name of a built-in role, which cannot be changed");
  CORBEL_CHECK(checkDelegation(role.permissions, by));
  const std::string& tenant = by.membership.tenant;
  const MutexLock lock(changes_);
  auto next = std::make_shared<Contents>(*contents());
  // Replacing is also taking away: nobody does that to those who may do more.
  if (const Role* old = next->customRole(tenant, role.name))
    CORBEL_CHECK(checkDelegation(old->permissions, by));
  else if (next->roles[tenant].size() >= limits::kRolesPerTenant)
    return fail(ErrorCode::resourceExhausted,
                fmt::format("A tenant may have {} roles of its own. Remove one that is not needed.",
                            limits::kRolesPerTenant));
  CORBEL_CHECK(database_.write(
      [&](store::Transaction& tx) { return directory_store::put(tx, tenant, role); }, deadline));
  std::vector<Role>& own = next->roles[tenant];
  std::erase_if(own, [&](const Role& old) { return old.name == role.name; });
  own.insert(std::ranges::lower_bound(own, role.name, {}, &Role::name),
             {role.name, role.permissions, false});
  remember(std::move(next));
  return {};
}

Result<void> Directory::removeRole(std::string_view name, const Actor& by, Deadline deadline) {
  const std::string& tenant = by.membership.tenant;
  const MutexLock lock(changes_);
  auto next = std::make_shared<Contents>(*contents());
  const Role* const role = next->customRole(tenant, name);
  if (role == nullptr)
    return fail(ErrorCode::notFound,
                fmt::format("There is no role '{}' that could be removed.", name));
  CORBEL_CHECK(checkDelegation(role->permissions, by));
  CORBEL_CHECK(database_.write(
      [&](store::Transaction& tx) { return directory_store::remove(tx, tenant, name); }, deadline));
  std::erase_if(next->roles[tenant], [&](const Role& old) { return old.name == name; });
  remember(std::move(next));
  return {};
}

std::optional<Membership> Directory::membership(std::string_view tenant,
                                                std::span<const std::string> roles) const {
  const auto held = contents();
  if (!held->tenants.contains(tenant)) return std::nullopt;
  Membership membership{.tenant = std::string(tenant), .roles = {}, .permissions = {}};
  for (const std::string& name : roles) {
    std::optional<PermissionSet> permissions = builtInRole(name);
    if (const Role* custom = held->customRole(tenant, name)) permissions = custom->permissions;
    if (!permissions) continue;
    membership.roles.push_back(name);
    membership.permissions = membership.permissions | *permissions;
  }
  return membership;
}

Principal operatorOf(std::string tenant) {
  return {.kind = PrincipalKind::service,
          .id = "operator",
          .name = "operator",
          .memberships = {{std::move(tenant), {"owner"}, PermissionSet::all()}}};
}

}  // namespace corbel::identity
