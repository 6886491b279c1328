// The first user, by the link that the first start prints. See docs/users.md.
#pragma once
#include <tuple>

#include "exec/pool.h"
#include "http/route.h"
#include "identity/setup_link.h"
#include "native/session_api.h"
#include "native/users_dto.h"

namespace corbel::native {

class SetupApi {
 public:
  // Everything must outlive it. Passwords are hashed on `pool`.
  struct Parts {
    identity::SetupLink& link;
    exec::Pool& pool;
    CookieOptions cookies;
  };
  explicit SetupApi(Parts parts) : parts_(parts) {}

  static constexpr auto routes() {
    constexpr http::RouteOptions kCheck{.limit = http::LimitClass::none,
                                        .bodyMax = limits::kKiB,
                                        .repeatable = http::Repeatable::no};
    constexpr http::RouteOptions kUse{.limit = http::LimitClass::none,
                                      .bodyMax = 4 * limits::kKiB,
                                      .repeatable = http::Repeatable::no,
                                      .audit = http::Audit::always};
    return std::tuple{
        http::post<&SetupApi::check>("/api/v1/ai/setup/check", http::openToAll,
                                     "Is the link of the first start good?", kCheck),
        http::post<&SetupApi::use>("/api/v1/ai/setup", http::openToAll,
                                   "Make the first user by the link of the first start", kUse)};
  }

 private:
  Result<http::NoContent> check(http::Call& call, const SetupLinkRequest& request);
  void use(http::Call call, FirstUserRequest request,
           http::Reply<http::Created<SignedInView>> reply);
  Result<http::Created<SignedInView>> made(http::Call& call, const FirstUserRequest& request);

  const Parts parts_;
};

}  // namespace corbel::native
