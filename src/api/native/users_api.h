// Users of the caller's tenant. See docs/users.md.
#pragma once
#include <tuple>

#include "http/route.h"
#include "identity/directory.h"
#include "identity/users.h"
#include "native/page.h"
#include "native/users_dto.h"

namespace corbel::native {

class UsersApi {
 public:
  // Both must outlive it.
  UsersApi(identity::Users& users, const identity::Directory& directory)
      : users_(users), directory_(directory) {}

  static constexpr auto routes() {
    using http::Permission;
    // A repeated request finds the address taken. What is kept of requests with a key is a hash of
    // their body: of a password none may be kept but Argon2's.
    constexpr http::RouteOptions kOnce{.repeatable = http::Repeatable::no};
    constexpr http::RouteOptions kForTenant{
        .description =
            "For owners of the default tenant: how a new tenant gets its first user, and "
            "how a user of one tenant also gets into another.",
        .repeatable = http::Repeatable::no};
    return std::tuple{
        http::get<&UsersApi::list>("/api/v1/ai/users", Permission::usersRead, "List users"),
        http::post<&UsersApi::create>("/api/v1/ai/users", Permission::usersWrite, "Make a user",
                                      kOnce),
        http::get<&UsersApi::read>("/api/v1/ai/users/{user}", Permission::usersRead, "Read a user"),
        http::patch<&UsersApi::change>("/api/v1/ai/users/{user}", Permission::usersWrite,
                                       "Change a user"),
        http::del<&UsersApi::remove>("/api/v1/ai/users/{user}", Permission::usersWrite,
                                     "Remove a user from the tenant"),
        http::del<&UsersApi::endSessions>("/api/v1/ai/users/{user}/sessions",
                                          Permission::usersWrite, "Sign a user out everywhere"),
        http::post<&UsersApi::createForTenant>("/api/v1/ai/tenants/{tenant}/users",
                                               Permission::tenantsWrite,
                                               "Make a user of another tenant", kForTenant)};
  }

 private:
  Result<Page<UserView>> list(http::Call& call, const ListUsers& request);
  Result<http::Created<UserView>> create(http::Call& call, const NewUserRequest& request);
  Result<UserView> read(http::Call& call);
  Result<UserView> change(http::Call& call, const UserPatch& request);
  Result<http::NoContent> remove(http::Call& call);
  Result<http::NoContent> endSessions(http::Call& call);
  Result<http::Created<UserView>> createForTenant(http::Call& call, const NewUserRequest& request);

  identity::Users& users_;
  const identity::Directory& directory_;
};

}  // namespace corbel::native
