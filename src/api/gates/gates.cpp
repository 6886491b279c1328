#include "gates/gates.h"

#include <utility>

#include "base/text.h"

namespace corbel::gates {
namespace {

Result<void> passed() { return {}; }

// The credential of "Authorization: Bearer <credential>". Empty: there is none.
Result<std::string_view> credentialOf(const http::RequestHead& head) {
  const auto count = head.count("Authorization");
  if (count == 0) return std::string_view();
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view value = head.header("Authorization");
  const bool isBearer =
      value.size() > kScheme.size() && equalsIgnoringCase(value.substr(0, kScheme.size()), kScheme);
  if (count > 1 || !isBearer) {
    return fail(ErrorCode::unauthenticated,
                "Send one credential, as `Authorization: Bearer <API key or token>`.");
  }
  return trim(value.substr(kScheme.size()));
}

void addLimitHeaders(http::Call& call, const limits::Decision& decision) {
  call.addHeader("RateLimit-Policy", limits::rateLimitPolicyField(decision));
  call.addHeader("RateLimit", limits::rateLimitField(decision));
}

void addRefusalHeaders(http::Call& call, const limits::Decision& decision) {
  addLimitHeaders(call, decision);
  call.addHeader("Retry-After", limits::retryAfterField(decision));
}

}  // namespace

const std::array<Gates::Gate, 5> Gates::kGates = {{{"drain", &Gates::refuseWhileDraining},
                                                   {"authenticate", &Gates::authenticate},
                                                   {"tenant", &Gates::chooseTenant},
                                                   {"permission", &Gates::checkPermission},
                                                   {"limit", &Gates::takeFromBudget}}};

Gates::Gates(Parts parts, Quotas quotas, Authentication authentication)
    : parts_(parts),
      quotas_(quotas),
      authentication_(authentication),
      nobody_(std::make_shared<const identity::Principal>()) {}

std::optional<Result<void>> Gates::tryNow(http::Call& call) {
  for (const Gate& gate : kGates) {
    auto verdict = (this->*gate.judge)(call, Waiting::no);
    if (!verdict || !*verdict) return verdict;
  }
  return passed();
}

Result<void> Gates::decide(http::Call& call) {
  for (const Gate& gate : kGates) {
    auto verdict = (this->*gate.judge)(call, Waiting::allowed);
    if (!verdict) return fail(ErrorCode::internal, "The request could not be judged.");
    if (!*verdict) return *std::move(verdict);
  }
  return {};
}

Gates::Verdict Gates::refuseWhileDraining(http::Call& call, Waiting) {
  if (!draining_ || call.route().access.isOpen()) return passed();
  call.addHeader("Retry-After", "5");
  return fail(ErrorCode::unavailable, "The server is shutting down. Try again in a few seconds.");
}

std::optional<Result<identity::PrincipalRef>> Gates::principalOf(http::Call& call,
                                                                 Waiting waiting) {
  const auto credential = credentialOf(call.head());
  if (!credential) return std::unexpected(credential.error());
  if (credential->empty()) {
    if (authentication_ == Authentication::off) return identity::trustedAnonymous();
    return fail(ErrorCode::unauthenticated,
                "Send an API key or token as `Authorization: Bearer <credential>`.");
  }
  if (identity::ServiceTokens::isServiceToken(*credential)) {
    if (parts_.serviceTokens != nullptr) return parts_.serviceTokens->verify(*credential);
    return fail(ErrorCode::unauthenticated, "The token is not valid.", "token: of a service");
  }
  if (identity::ApiKeys::isApiKey(*credential)) return parts_.keys.verify(*credential);
  if (waiting == Waiting::no) return parts_.tokens.tryVerify(*credential);
  return parts_.tokens.verify(*credential, call.deadline());
}

Gates::Verdict Gates::authenticate(http::Call& call, Waiting waiting) {
  if (call.route().access.isOpen()) {
    call.context().principal = nobody_;
    return passed();
  }
  // Judged before, by the same list: a token of a service is good once.
  if (call.context().principal != nullptr) return passed();
  auto principal = principalOf(call, waiting);
  if (!principal) return std::nullopt;
  if (!*principal) return std::unexpected(std::move(*principal).error());
  call.context().principal = **std::move(principal);
  return passed();
}

Gates::Verdict Gates::chooseTenant(http::Call& call, Waiting) {
  if (call.route().access.isOpen()) return passed();
  const auto membership =
      identity::chooseTenant(call.principal(), call.head().header("X-Tenant-ID"));
  if (!membership) return std::unexpected(membership.error());
  call.context().membership = *membership;
  return passed();
}

Gates::Verdict Gates::checkPermission(http::Call& call, Waiting) {
  if (call.route().access.isOpen()) return passed();
  return identity::require(call.membership(), call.route().access.permission());
}

// A limit of the key's own is one for all it does.
limits::Quota Gates::quotaOf(const http::Call& call) const {
  if (const auto& own = call.principal().limits.requestsPerMinute)
    return {.policy = "key", .limit = *own};
  const bool inference = call.route().options.limit == http::LimitClass::inference;
  const bool user = call.principal().kind == identity::PrincipalKind::user;
  const std::uint32_t standard = inference ? (user ? quotas_.userInference : quotas_.keyInference)
                                           : (user ? quotas_.userApi : quotas_.keyApi);
  return {.policy = inference ? "infer" : "api", .limit = standard};
}

Gates::Verdict Gates::takeFromBudget(http::Call& call, Waiting) {
  if (call.route().access.isOpen() || call.route().options.limit == http::LimitClass::none ||
      call.principal().accounted)
    return passed();
  // Without the tenant, which the caller chooses: a member of five tenants must not have five
  // budgets.
  const limits::BucketKey bucket{.tenant = {}, .principal = call.principal().id};
  const limits::Quota quota = quotaOf(call);
  const auto tenant = parts_.directory.quotas(call.tenant());
  if (tenant && tenant->requestsPerMinute) {
    const limits::Quota whole{.policy = "tenant",
                              .limit = static_cast<std::uint32_t>(*tenant->requestsPerMinute)};
    // A refusal by one budget must cost the other nothing: the caller's is looked at before the
    // tenant's is used.
    if (parts_.limiter.admit(bucket, quota, 0).remaining > 0) {
      const auto shared = parts_.limiter.admit({call.tenant(), {}}, whole);
      if (!shared.allowed) {
        addRefusalHeaders(call, shared);
        return fail(ErrorCode::resourceExhausted,
                    "Your tenant's requests for this minute are used up.");
      }
    }
  }
  const auto decision = parts_.limiter.admit(bucket, quota);
  if (decision.allowed) {
    addLimitHeaders(call, decision);
    return passed();
  }
  addRefusalHeaders(call, decision);
  return fail(ErrorCode::resourceExhausted,
              "At most " + std::to_string(decision.limit) + " requests in " +
                  std::to_string(decision.window.count()) + " seconds. Try again in " +
                  limits::retryAfterField(decision) + " s.");
}

}  // namespace corbel::gates
