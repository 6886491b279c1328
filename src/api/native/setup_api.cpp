#include "native/setup_api.h"

#include <memory>
#include <utility>

namespace corbel::native {

Result<http::NoContent> SetupApi::check(http::Call& call, const SetupLinkRequest& request) {
  CORBEL_CHECK(parts_.link.check(request.token, call.deadline()));
  return http::NoContent{};
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the form of a handler that answers later
void SetupApi::use(http::Call call, FirstUserRequest request,
                   http::Reply<http::Created<SignedInView>> reply) {
  auto shared = std::make_shared<http::Reply<http::Created<SignedInView>>>(std::move(reply));
  const bool accepted = parts_.pool.tryRun([this, call, request, shared]() mutable {
    call.inFrame([&] { (*shared)(made(call, request)); });
  });
  if (accepted) return;
  call.addHeader("Retry-After", "2");
  (*shared)(fail(ErrorCode::unavailable, "The server is busy. Try again in two seconds."));
}

Result<http::Created<SignedInView>> SetupApi::made(http::Call& call,
                                                   const FirstUserRequest& request) {
  const identity::NewUser owner{.email = request.email,
                                .name = request.name.value_or(""),
                                .password = Secret(request.password)};
  CORBEL_TRY(const auto opened,
             parts_.link.use(request.token, owner, originOf(call.head()), call.deadline()));
  const SessionAs as = http::isFromOwnPage(call.head()) ? SessionAs::cookie : SessionAs::token;
  return http::Created<SignedInView>{
      "/api/v1/ai/users/" + opened.user.id,
      handOver(call, opened.user, opened.session, as, parts_.cookies)};
}

}  // namespace corbel::native
