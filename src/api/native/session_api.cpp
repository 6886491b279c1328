#include "native/session_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "identity/users.h"

namespace corbel::native {
namespace {

SessionView view(const identity::Session& session, std::string_view current) {
  return {.id = session.id,
          .address = session.origin.address,
          .device = session.origin.device,
          .current = session.id == current,
          .createdAt = session.createdAt,
          .lastUsedAt = session.lastUsedAt,
          .expiresAt = session.expiresAt};
}

std::unexpected<Error> noAccount() {
  return fail(ErrorCode::notFound, "This call is not made with a session of a user.");
}

}  // namespace

http::Transport transportOf(const http::RequestHead& head, const CookieOptions& options) {
  return head.peer.tls || options.alwaysSecure ? http::Transport::encrypted
                                               : http::Transport::plain;
}

identity::SignInOrigin originOf(const http::RequestHead& head) {
  return {.address = std::string(head.peer.address),
          .device = std::string(head.header("User-Agent"))};
}

void becomes(const http::Call& call, const identity::ProvenUser& user) {
  call.context().principal = std::make_shared<const identity::Principal>(
      identity::Principal{.kind = identity::PrincipalKind::user,
                          .id = identity::principalIdOf(user.id),
                          .name = user.name});
}

SignedInView handOver(http::Call& call, const identity::ProvenUser& user,
                      const identity::OpenedSession& opened, SessionAs as,
                      const CookieOptions& options) {
  call.addHeader("Cache-Control", "no-store");
  SignedInView view{.id = opened.session.id,
                    .userId = user.id,
                    .email = user.email,
                    .name = user.name,
                    .token = {},
                    .createdAt = opened.session.createdAt,
                    .expiresAt = opened.session.expiresAt};
  if (as == SessionAs::token) {
    view.token = std::string(opened.token.reveal());
  } else {
    call.addHeader("Set-Cookie", http::sessionCookie(opened.token.reveal(), options.maxAge,
                                                     transportOf(call.head(), options)));
  }
  return view;
}

// The bound of its own: hashing is what a stranger can make us do most of.
// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers later
void SessionApi::signIn(http::Call call, SignInRequest request,
                        http::Reply<http::Created<SignedInView>> reply) {
  auto shared = std::make_shared<http::Reply<http::Created<SignedInView>>>(std::move(reply));
  const bool accepted = parts_.pool.tryRun(
      [this, call, request, shared]() mutable { (*shared)(signedIn(call, request)); });
  if (accepted) return;
  call.addHeader("Retry-After", "2");
  (*shared)(fail(ErrorCode::unavailable, "Too many people sign in. Try again in two seconds."));
}

Result<void> SessionApi::admit(http::Call& call, std::string_view email) {
  const auto decision = parts_.sessions.attempt(email, call.head().peer.address);
  if (decision.allowed) return {};
  call.addHeader("Retry-After", limits::retryAfterField(decision));
  return fail(ErrorCode::resourceExhausted,
              fmt::format("Too many attempts to sign in. Try again in {} s.",
                          limits::retryAfterField(decision)));
}

Result<http::Created<SignedInView>> SessionApi::signedIn(http::Call& call,
                                                         const SignInRequest& request) {
  // Or a page of another site would sign people in as somebody else.
  if (request.as == SessionAs::cookie && !http::isFromOwnPage(call.head())) {
    return fail(ErrorCode::permissionDenied,
                "Only pages of this server sign in with a cookie. Ask for a token.");
  }
  CORBEL_CHECK(admit(call, request.email));
  CORBEL_TRY(const auto user,
             parts_.sessions.prove(request.email, Secret(request.password), call.deadline()));
  becomes(call, user);
  Result<identity::OpenedSession> opened = fail(ErrorCode::internal, "The session was not opened.");
  call.inFrame(
      [&] { opened = parts_.sessions.open(user, originOf(call.head()), call.deadline()); });
  CORBEL_CHECK(opened);
  return http::Created<SignedInView>{"/api/v1/ai/sessions/" + opened->session.id,
                                     handOver(call, user, *opened, request.as, parts_.cookies)};
}

Result<identity::Session> SessionApi::current(const http::Call& call) const {
  const auto token = http::sessionTokenOf(call.head());
  if (!identity::Sessions::isSessionToken(token)) return noAccount();
  return parts_.sessions.find(token, call.deadline());
}

Result<http::NoContent> SessionApi::signOut(http::Call& call) {
  CORBEL_TRY(const auto session, current(call));
  CORBEL_CHECK(parts_.sessions.end(session.userId, session.id, call.deadline()));
  if (!http::sessionCookieOf(call.head()).empty()) {
    call.addHeader("Set-Cookie", http::noSessionCookie(transportOf(call.head(), parts_.cookies)));
  }
  return http::NoContent{};
}

Result<SessionList> SessionApi::list(http::Call& call) {
  const auto token = http::sessionTokenOf(call.head());
  SessionList list;
  if (!identity::Sessions::isSessionToken(token)) return list;
  CORBEL_TRY(const auto own, parts_.sessions.find(token, call.deadline()));
  CORBEL_TRY(const auto all, parts_.sessions.list(own.userId, call.deadline()));
  for (const identity::Session& session : all) list.items.push_back(view(session, own.id));
  return list;
}

Result<http::NoContent> SessionApi::end(http::Call& call) {
  const auto token = http::sessionTokenOf(call.head());
  const std::string_view id = call.parameter("session");
  if (!identity::Sessions::isSessionToken(token))
    return fail(ErrorCode::notFound, fmt::format("There is no session '{}'.", id));
  CORBEL_TRY(const auto own, parts_.sessions.find(token, call.deadline()));
  CORBEL_CHECK(parts_.sessions.end(own.userId, id, call.deadline()));
  return http::NoContent{};
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers later
void SessionApi::changePassword(http::Call call, NewPasswordRequest request,
                                http::Reply<http::NoContent> reply) {
  auto shared = std::make_shared<http::Reply<http::NoContent>>(std::move(reply));
  const bool accepted = parts_.pool.tryRun([this, call, request, shared]() mutable {
    call.inFrame([&] { (*shared)(changed(call, request)); });
  });
  if (accepted) return;
  call.addHeader("Retry-After", "2");
  (*shared)(fail(ErrorCode::unavailable, "Too many people sign in. Try again in two seconds."));
}

Result<http::NoContent> SessionApi::changed(http::Call& call, const NewPasswordRequest& request) {
  CORBEL_TRY(const auto session, current(call));
  CORBEL_TRY(const auto email, parts_.sessions.emailOfUser(session, call.deadline()));
  CORBEL_CHECK(admit(call, email));
  CORBEL_CHECK(parts_.sessions.changePassword(session, Secret(request.currentPassword),
                                              Secret(request.newPassword), call.deadline()));
  return http::NoContent{};
}

}  // namespace corbel::native
