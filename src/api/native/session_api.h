// Signing in and out, and the caller's own sessions and password. See docs/users.md.
#pragma once
#include <memory>
#include <string>
#include <tuple>

#include "exec/pool.h"
#include "http/route.h"
#include "http/session_cookie.h"
#include "identity/sessions.h"
#include "native/users_dto.h"

namespace corbel::native {

// How sessions reach browsers.
struct CookieOptions {
  std::chrono::seconds maxAge{0};
  bool alwaysSecure = false;  // also where this process speaks plain HTTP: a proxy speaks TLS
};

http::Transport transportOf(const http::RequestHead& head, const CookieOptions& options);
// Gives a session to the caller: the view, and the cookie if it is asked for.
SignedInView handOver(http::Call& call, const identity::ProvenUser& user,
                      const identity::OpenedSession& opened, SessionAs as,
                      const CookieOptions& options);
identity::SignInOrigin originOf(const http::RequestHead& head);
// Makes the user the one whose act this is, for the audit log.
void becomes(const http::Call& call, const identity::ProvenUser& user);

class SessionApi {
 public:
  // Everything must outlive it. Passwords are checked on `pool`.
  struct Parts {
    identity::Sessions& sessions;
    exec::Pool& pool;
    CookieOptions cookies;
  };
  explicit SessionApi(Parts parts) : parts_(parts) {}

  static constexpr auto routes() {
    using http::Permission;
    constexpr http::RouteOptions kSignIn{
        .limit = http::LimitClass::none,
        .bodyMax = 4 * limits::kKiB,
        .description =
            "For each account 10 attempts from one address, and 50 in all, in any 15 "
            "minutes; 100 from one address.",
        .repeatable = http::Repeatable::no,
        .audit = http::Audit::always};
    return std::tuple{
        http::post<&SessionApi::signIn>("/api/v1/ai/session", http::openToAll, "Sign in", kSignIn),
        http::del<&SessionApi::signOut>("/api/v1/ai/session", Permission::modelsRead, "Sign out"),
        http::get<&SessionApi::list>("/api/v1/ai/sessions", Permission::modelsRead,
                                     "List my sessions"),
        http::del<&SessionApi::end>("/api/v1/ai/sessions/{session}", Permission::modelsRead,
                                    "End one of my sessions"),
        http::post<&SessionApi::changePassword>(
            "/api/v1/ai/me/password", Permission::modelsRead, "Change my password",
            {.bodyMax = 4 * limits::kKiB, .repeatable = http::Repeatable::no})};
  }

 private:
  void signIn(http::Call call, SignInRequest request,
              http::Reply<http::Created<SignedInView>> reply);
  Result<http::Created<SignedInView>> signedIn(http::Call& call, const SignInRequest& request);
  Result<http::NoContent> signOut(http::Call& call);
  Result<SessionList> list(http::Call& call);
  Result<http::NoContent> end(http::Call& call);
  void changePassword(http::Call call, NewPasswordRequest request,
                      http::Reply<http::NoContent> reply);
  Result<http::NoContent> changed(http::Call& call, const NewPasswordRequest& request);
  Result<identity::Session> current(const http::Call& call) const;
  Result<void> admit(http::Call& call, std::string_view email);

  const Parts parts_;
};

}  // namespace corbel::native
