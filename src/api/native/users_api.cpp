#include "native/users_api.h"

#include <utility>

namespace corbel::native {
namespace {

UserView view(const identity::User& user) {
  return {.id = user.id,
          .email = user.email,
          .name = user.name,
          .roles = user.roles,
          .hasPassword = user.hasPassword,
          .disabled = user.disabledAt.has_value(),
          .createdBy = user.createdBy,
          .createdAt = user.createdAt,
          .disabledAt = user.disabledAt,
          .lastSignInAt = user.lastSignInAt};
}

identity::NewUser toNewUser(const NewUserRequest& request) {
  return {.email = request.email,
          .name = request.name.value_or(""),
          .password = Secret(request.password.value_or("")),
          .roles = request.roles};
}

http::Created<UserView> created(const identity::User& user) {
  return {"/api/v1/ai/users/" + user.id, view(user)};
}

}  // namespace

Result<Page<UserView>> UsersApi::list(http::Call& call, const ListUsers& request) {
  CORBEL_TRY(auto found, users_.list(call.actor(), request.cursor.value_or(""), request.limit + 1,
                                     call.deadline()));
  Page<UserView> page;
  const auto limit = static_cast<std::size_t>(request.limit);
  if (found.size() > limit) {
    found.resize(limit);
    page.nextCursor = found.back().id;
  }
  for (const identity::User& user : found) page.items.push_back(view(user));
  return page;
}

Result<http::Created<UserView>> UsersApi::create(http::Call& call, const NewUserRequest& request) {
  CORBEL_TRY(const auto user, users_.add(toNewUser(request), call.actor(), call.deadline()));
  return created(user);
}

Result<http::Created<UserView>> UsersApi::createForTenant(http::Call& call,
                                                          const NewUserRequest& request) {
  if (call.tenant() != identity::kDefaultTenant) {
    return fail(ErrorCode::permissionDenied,
                "Only owners of the default tenant make users of other tenants.");
  }
  CORBEL_TRY(const auto tenant, directory_.tenant(call.parameter("tenant"), call.actor()));
  const auto by = identity::operatorOf(tenant.id);
  CORBEL_TRY(const auto user,
             users_.add(toNewUser(request), {by, by.memberships.front()}, call.deadline()));
  return created(user);
}

Result<UserView> UsersApi::read(http::Call& call) {
  CORBEL_TRY(const auto user, users_.get(call.parameter("user"), call.actor(), call.deadline()));
  return view(user);
}

Result<UserView> UsersApi::change(http::Call& call, const UserPatch& request) {
  identity::UserChange change{
      .name = request.name, .roles = request.roles, .disabled = request.disabled};
  if (request.password) change.password = Secret(*request.password);
  CORBEL_TRY(const auto user,
             users_.change(call.parameter("user"), change, call.actor(), call.deadline()));
  return view(user);
}

Result<http::NoContent> UsersApi::remove(http::Call& call) {
  CORBEL_CHECK(users_.remove(call.parameter("user"), call.actor(), call.deadline()));
  return http::NoContent{};
}

Result<http::NoContent> UsersApi::endSessions(http::Call& call) {
  CORBEL_CHECK(users_.endSessions(call.parameter("user"), call.actor(), call.deadline()));
  return http::NoContent{};
}

}  // namespace corbel::native
