#include "key_grant.h"

#include <fmt/format.h>

#include <algorithm>

#include "checks.h"

namespace corbel::identity {
namespace {

// The maker's bound where none was asked for; an error where more was.
Result<std::optional<std::uint32_t>> limitWithin(std::string_view pointer,
                                                 std::optional<std::uint32_t> asked,
                                                 std::optional<std::uint32_t> own) {
  if (asked == 0u) return failField(std::string(pointer), "must be 1 or more");
  if (!own || (asked && *asked <= *own)) return asked;
  if (!asked) return own;
  return failField(std::string(pointer),
                   fmt::format("must be at most {}, the limit of the key that makes it", *own),
                   ErrorCode::permissionDenied);
}

Result<std::optional<Timestamp>> expiryWithin(std::optional<Timestamp> asked,
                                              std::optional<Timestamp> own, Timestamp now) {
  if (asked && *asked <= now) return failField("/expiresAt", "must lie in the future");
  if (!own || (asked && *asked <= *own)) return asked;
  if (!asked) return own;
  return failField("/expiresAt", "must not be later than that of the key that makes it",
                   ErrorCode::permissionDenied);
}

bool isWithin(std::optional<std::uint32_t> limit, std::optional<std::uint32_t> own) {
  return !own || (limit && *limit <= *own);
}

Result<KeyGrant> rightsOf(const NewApiKey& key, const Actor& by, const Directory& directory) {
  if (key.role.empty()) return KeyGrant{.permissions = key.permissions};
  const auto roles = directory.roles(by.membership.tenant);
  const auto role = std::ranges::find(roles, key.role, &Role::name);
  if (role == roles.end())
    return failField("/role", "is no role of this tenant", ErrorCode::notFound);
  // A key that keeps a built-in role grows with it, so its maker must have that role to hand it on.
  const bool held = std::ranges::any_of(by.membership.roles, [&](const std::string& own) {
    return own == key.role || own == "owner";
  });
  return KeyGrant{.role = role->builtIn && held ? key.role : std::string(),
                  .permissions = role->permissions};
}

}  // namespace

Result<KeyGrant> grantFor(const NewApiKey& key, const Actor& by, const Directory& directory,
                          Timestamp now) {
  CORBEL_CHECK(checkName("/name", key.name));
  if (key.role.empty() == key.permissions.empty())
    return failField("/role", "give either a role or a list of permissions");
  CORBEL_TRY(KeyGrant grant, rightsOf(key, by, directory));
  CORBEL_CHECK(checkDelegation(grant.permissions, by));
  const KeyLimits& own = by.principal.limits;
  CORBEL_TRY(grant.limits.requestsPerMinute,
             limitWithin("/limits/requestsPerMinute", key.limits.requestsPerMinute,
                         own.requestsPerMinute));
  CORBEL_TRY(grant.limits.rowsPerMinute,
             limitWithin("/limits/rowsPerMinute", key.limits.rowsPerMinute, own.rowsPerMinute));
  CORBEL_TRY(grant.expiresAt, expiryWithin(key.expiresAt, by.principal.expiresAt, now));
  return grant;
}

Result<void> checkBounds(const ApiKey& key, const Actor& by) {
  const Principal& actor = by.principal;
  const bool outlives = actor.expiresAt && (!key.expiresAt || *key.expiresAt > *actor.expiresAt);
  if (!outlives && isWithin(key.limits.requestsPerMinute, actor.limits.requestsPerMinute) &&
      isWithin(key.limits.rowsPerMinute, actor.limits.rowsPerMinute))
    return {};
  return fail(ErrorCode::permissionDenied,
              "The key has wider limits than yours, or lives longer: you may not have its secret.");
}

}  // namespace corbel::identity
