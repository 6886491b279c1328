#include "identity/users.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "checks.h"
#include "user_store.h"

namespace corbel::identity {
namespace {

constexpr std::size_t kEmailMax = 254;  // RFC 5321, 4.5.3.1.3, without the angle brackets
constexpr std::size_t kRolesMax = 20;
constexpr std::string_view kOwner = "owner";

std::unexpected<Error> noSuchUser(std::string_view id) {
  return fail(ErrorCode::notFound, fmt::format("There is no user '{}'.", id));
}

bool runsTheInstallation(const Actor& by) {
  const bool isOperator =
      by.principal.kind == PrincipalKind::service && by.principal.id == "operator";
  return isOperator || (by.membership.tenant == kDefaultTenant &&
                        by.membership.permissions.contains(Permission::tenantsWrite));
}

bool isOwner(const TenantRoles& held) {
  return std::ranges::find(held.roles, kOwner) != held.roles.end();
}

bool isEmailCharacter(char c) {
  return c > 0x20 && c < 0x7f && !std::string_view("()<>,;:\\\"[]").contains(c);
}

}  // namespace

struct Users::Account {
  StoredUser stored;
  std::vector<TenantRoles> memberships;

  bool belongsElsewhere(std::string_view tenant) const {
    return std::ranges::any_of(memberships,
                               [&](const TenantRoles& held) { return held.tenant != tenant; });
  }
  const std::vector<std::string>* rolesIn(std::string_view tenant) const {
    const auto found = std::ranges::find(memberships, tenant, &TenantRoles::tenant);
    return found == memberships.end() ? nullptr : &found->roles;
  }
};

namespace {

// In one of `before`'s tenants nobody would be an owner who may sign in.
Result<void> checkOwnersRemain(store::Reader& reader, const std::vector<TenantRoles>& before) {
  for (const TenantRoles& held : before) {
    if (!isOwner(held)) continue;
    CORBEL_TRY(const auto owners, user_store::countOwners(reader, held.tenant));
    if (owners > 0) continue;
    return fail(
        ErrorCode::unprocessable,
        fmt::format("This is the last user who is an owner of the tenant '{}'. Make another "
                    "one an owner first.",
                    held.tenant));
  }
  return {};
}

}  // namespace

Result<std::string> emailOf(std::string_view text) {
  text = trim(text);
  const auto at = text.find('@');
  const bool good = text.size() <= kEmailMax && at != std::string_view::npos && at > 0 &&
                    at + 1 < text.size() && text.find('@', at + 1) == std::string_view::npos &&
                    std::ranges::all_of(text, isEmailCharacter);
  if (!good)
    return failField("/email",
                     "must be an e-mail address of ASCII characters, as in ada@example.com");
  return toLowerAscii(text);
}

std::string principalIdOf(std::string_view userId) { return fmt::format("account:{}", userId); }

Result<void> Users::checkRoles(const std::vector<std::string>& roles, const Actor& by) const {
  if (roles.empty() || roles.size() > kRolesMax)
    return failField("/roles", fmt::format("must be 1 to {} roles of the tenant", kRolesMax));
  const auto known = parts_.directory.roles(by.membership.tenant);
  for (std::size_t i = 0; i < roles.size(); ++i) {
    if (std::ranges::find(known, roles[i], &Role::name) == known.end())
      return failField(fmt::format("/roles/{}", i), "is no role of this tenant",
                       ErrorCode::notFound);
  }
  const auto membership = parts_.directory.membership(by.membership.tenant, roles);
  if (!membership) return fail(ErrorCode::notFound, "There is no such tenant.");
  return checkDelegation(membership->permissions, by);
}

// Whoever sets a password has the user's rights.
Result<void> Users::checkMayChange(const Account& account, const Actor& by) const {
  const auto* const roles = account.rolesIn(by.membership.tenant);
  if (roles == nullptr) return {};
  const auto membership = parts_.directory.membership(by.membership.tenant, *roles);
  if (!membership) return {};
  const PermissionSet excess = membership->permissions.without(by.membership.permissions);
  if (excess.empty()) return {};
  return fail(ErrorCode::permissionDenied, "This user may do more than you.");
}

Result<Users::Account> Users::account(store::Reader& reader, std::string_view id,
                                      const Actor& by) const {
  CORBEL_TRY(auto found, user_store::find(reader, id));
  if (!found) return noSuchUser(id);
  CORBEL_TRY(auto memberships, user_store::roles(reader, id));
  Account account{.stored = *std::move(found), .memberships = std::move(memberships)};
  const auto* const roles = account.rolesIn(by.membership.tenant);
  if (roles == nullptr) return noSuchUser(id);
  account.stored.user.roles = *roles;
  return account;
}

Result<void> Users::insert(store::Transaction& tx, const User& user,
                           const std::optional<std::string>& hash, const Actor& by) const {
  const std::string& tenant = by.membership.tenant;
  CORBEL_TRY(const auto count, user_store::count(tx, tenant));
  if (count >= kUsersPerTenant)
    return fail(ErrorCode::resourceExhausted,
                fmt::format("A tenant may have {} users. Remove one who left.", kUsersPerTenant));
  CORBEL_CHECK(user_store::insert(tx, {user, hash}));
  return user_store::setRoles(tx, user.id, tenant, user.roles);
}

Result<User> Users::add(const NewUser& fresh, const Actor& by, Deadline deadline) {
  CORBEL_TRY(const std::string email, emailOf(fresh.email));
  const std::string& name = fresh.name.empty() ? email : fresh.name;
  CORBEL_CHECK(checkName("/name", name));
  CORBEL_CHECK(checkRoles(fresh.roles, by));
  std::optional<std::string> hash;
  if (!fresh.password.empty()) {
    CORBEL_CHECK(checkPassword("/password", fresh.password, email));
    CORBEL_TRY(hash, parts_.passwords.hash(fresh.password, deadline));
  }
  const User user{.id = parts_.ids.next(),
                  .email = email,
                  .name = name,
                  .roles = fresh.roles,
                  .hasPassword = hash.has_value(),
                  .createdBy = by.principal.id,
                  .createdAt = parts_.clock.now(),
                  .disabledAt = {},
                  .lastSignInAt = {}};
  const auto taken = failField("/email", "is taken", ErrorCode::alreadyExists);
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<User> {
        CORBEL_TRY(auto known, user_store::findByEmail(tx, email));
        tx.about("users/" + (known ? known->user.id : user.id));
        if (!known) {
          CORBEL_CHECK(insert(tx, user, hash, by));
          return user;
        }
        CORBEL_TRY(const auto memberships, user_store::roles(tx, known->user.id));
        const bool isHere = std::ranges::find(memberships, by.membership.tenant,
                                              &TenantRoles::tenant) != memberships.end();
        if (isHere || !runsTheInstallation(by)) return taken;
        CORBEL_CHECK(user_store::setRoles(tx, known->user.id, by.membership.tenant, fresh.roles));
        known->user.roles = fresh.roles;
        return std::move(known->user);
      },
      deadline);
}

Result<std::vector<User>> Users::list(const Actor& by, std::string_view after, int limit,
                                      Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) {
        return user_store::list(reader, by.membership.tenant, after, limit);
      },
      deadline);
}

Result<User> Users::get(std::string_view id, const Actor& by, Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) -> Result<User> {
        CORBEL_TRY(auto found, account(reader, id, by));
        return std::move(found.stored.user);
      },
      deadline);
}

Result<User> Users::find(std::string_view email, const Actor& by, Deadline deadline) const {
  CORBEL_TRY(const std::string wanted, emailOf(email));
  return parts_.database.read(
      [&](store::Reader& reader) -> Result<User> {
        CORBEL_TRY(const auto known, user_store::findByEmail(reader, wanted));
        if (!known) return noSuchUser(wanted);
        auto found = account(reader, known->user.id, by);
        if (!found) return noSuchUser(wanted);
        return std::move(found->stored.user);
      },
      deadline);
}

Result<void> Users::apply(store::Transaction& tx, Account& account, const UserChange& change,
                          const std::optional<std::string>& hash, const Actor& by) const {
  StoredUser& stored = account.stored;
  User& user = stored.user;
  const auto before = user.disabledAt ? std::vector<TenantRoles>() : account.memberships;
  user.name = change.name.value_or(user.name);
  if (change.disabled && *change.disabled != user.disabledAt.has_value())
    user.disabledAt = *change.disabled ? std::optional(parts_.clock.now()) : std::nullopt;
  if (hash) stored.passwordHash = hash;
  user.hasPassword = stored.passwordHash.has_value();
  CORBEL_CHECK(user_store::update(tx, stored));
  if (change.roles) {
    CORBEL_CHECK(user_store::setRoles(tx, user.id, by.membership.tenant, *change.roles));
    user.roles = *change.roles;
  }
  if (user.disabledAt || hash) CORBEL_CHECK(session_store::removeOf(tx, user.id, ""));
  return checkOwnersRemain(tx, before);
}

Result<User> Users::change(std::string_view id, const UserChange& change, const Actor& by,
                           Deadline deadline) {
  if (change.name) CORBEL_CHECK(checkName("/name", *change.name));
  if (change.roles) CORBEL_CHECK(checkRoles(*change.roles, by));
  const bool ofTheAccount = change.name || change.disabled || change.password;
  const auto changeable = [&](store::Reader& reader) -> Result<Account> {
    CORBEL_TRY(auto found, account(reader, id, by));
    CORBEL_CHECK(checkMayChange(found, by));
    if (!ofTheAccount || !found.belongsElsewhere(by.membership.tenant) || runsTheInstallation(by))
      return found;
    return fail(ErrorCode::permissionDenied,
                "This user belongs to other tenants, too: only owners of the default tenant change "
                "the account.");
  };
  std::optional<std::string> hash;
  if (change.password) {
    // Who may not do that does not make us hash.
    CORBEL_TRY(const Account found, parts_.database.read(changeable, deadline));
    CORBEL_CHECK(checkPassword("/password", *change.password, found.stored.user.email));
    CORBEL_TRY(hash, parts_.passwords.hash(*change.password, deadline));
  }
  auto changed = parts_.database.write(
      [&](store::Transaction& tx) -> Result<User> {
        CORBEL_TRY(auto found, changeable(tx));
        tx.about(fmt::format("users/{}", id));
        CORBEL_CHECK(apply(tx, found, change, hash, by));
        return std::move(found.stored.user);
      },
      deadline);
  if (changed) tellOfChange();
  return changed;
}

Result<void> Users::remove(std::string_view id, const Actor& by, Deadline deadline) {
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const auto found, account(tx, id, by));
        CORBEL_CHECK(checkMayChange(found, by));
        tx.about(fmt::format("users/{}", id));
        CORBEL_CHECK(user_store::setRoles(tx, id, by.membership.tenant, {}));
        if (!found.stored.user.disabledAt)
          CORBEL_CHECK(checkOwnersRemain(
              tx, {{by.membership.tenant, *found.rolesIn(by.membership.tenant)}}));
        if (found.belongsElsewhere(by.membership.tenant)) return {};
        CORBEL_CHECK(session_store::removeOf(tx, id, ""));
        return user_store::remove(tx, id);
      },
      deadline));
  tellOfChange();
  return {};
}

Result<void> Users::endSessions(std::string_view id, const Actor& by, Deadline deadline) {
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const auto found, account(tx, id, by));
        CORBEL_CHECK(checkMayChange(found, by));
        tx.about(fmt::format("users/{}", id));
        return session_store::removeOf(tx, id, "");
      },
      deadline));
  tellOfChange();
  return {};
}

Result<bool> hasUsers(store::Reader& reader) { return user_store::any(reader); }

}  // namespace corbel::identity
