// The tenants of the installation and the roles that each of them defines.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "identity/identity.h"
#include "store/store.h"

namespace corbel::identity {

struct NewTenant {
  std::string id;
  std::string name;
  TenantQuotas quotas = {};
};

// Absent: stays as it is.
struct TenantChange {
  std::optional<std::string> name = {};
  std::optional<TenantQuotas> quotas = {};
};

struct Role {
  std::string name;
  PermissionSet permissions;
  bool builtIn = false;
  bool operator==(const Role&) const = default;
};

// Thread-safe. Questions are answered from memory and never wait; changes return after their
// commit. Changes also fail as Database::write does.
class Directory {
 public:
  // Makes the tenant "default" where there is none. `database` and `clock` must outlive it.
  static Result<std::unique_ptr<Directory>> load(store::Database& database, const Clock& clock,
                                                 Deadline deadline);
  ~Directory();

  // Takes over what other processes of the installation have changed.
  Result<void> refresh(Deadline deadline);

  // In the order of their ids. Who reads tenants in the default tenant sees all of them, everybody
  // else the actor's own.
  std::vector<Tenant> tenants(const Actor& by) const;
  // not_found: none of tenants(by).
  Result<Tenant> tenant(std::string_view id, const Actor& by) const;
  std::optional<TenantQuotas> quotas(std::string_view tenant) const;

  // permission_denied: the actor is no owner in the default tenant. already_exists.
  // invalid_argument: id or name.
  Result<Tenant> createTenant(const NewTenant& tenant, const Actor& by, Deadline deadline);
  // The actor's own tenant, or any where createTenant is allowed; quotas change only where
  // createTenant is allowed. not_found, permission_denied, invalid_argument.
  Result<Tenant> changeTenant(std::string_view id, const TenantChange& change, const Actor& by,
                              Deadline deadline);

  // Built-in roles first, then the tenant's own by name.
  std::vector<Role> roles(std::string_view tenant) const;
  // Makes or replaces a role of the actor's tenant. Holders of API keys keep what they had, tokens
  // change with it. permission_denied: it has permissions that the actor lacks. invalid_argument:
  // the name, or that of a built-in role. resource_exhausted: the tenant has
  // limits::kRolesPerTenant.
  Result<void> saveRole(const Role& role, const Actor& by, Deadline deadline);
  // not_found. permission_denied: it has permissions that the actor lacks.
  Result<void> removeRole(std::string_view name, const Actor& by, Deadline deadline);

  // What somebody with these roles may do in the tenant; roles that it does not have count for
  // nothing. Nothing: there is no such tenant.
  std::optional<Membership> membership(std::string_view tenant,
                                       std::span<const std::string> roles) const;

 private:
  struct Contents;
  using ContentsRef = std::shared_ptr<const Contents>;
  enum class Existence : std::uint8_t { isNew, known };

  Directory(store::Database& database, const Clock& clock) : database_(database), clock_(clock) {}
  Result<std::shared_ptr<Contents>> read(Deadline deadline) const;
  ContentsRef contents() const;
  void remember(std::shared_ptr<Contents> contents) CORBEL_REQUIRES(changes_);
  Result<void> keep(const Tenant& tenant, Existence existence, Deadline deadline)
      CORBEL_REQUIRES(changes_);

  store::Database& database_;
  const Clock& clock_;
  Mutex
      changes_;  // one change at a time, so that what is remembered last is what was committed last
  mutable Mutex mutex_;
  ContentsRef contents_ CORBEL_GUARDED_BY(mutex_);
};

// The installation itself at work in `tenant`, for what no caller could be asked for: the first
// key, the command line.
Principal operatorOf(std::string tenant);

}  // namespace corbel::identity
