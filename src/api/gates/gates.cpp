#include "gates/gates.h"

#include <optional>
#include <span>
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

constexpr std::string_view kTenantPolicy = "tenant";

std::string refusalOf(const limits::Decision& decision) {
  if (decision.policy == kTenantPolicy)
    return "Your tenant's requests for this minute are used up.";
  return "At most " + std::to_string(decision.limit) + " requests in " +
         std::to_string(decision.window.count()) + " seconds. Try again in " +
         limits::retryAfterField(decision) + " s.";
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

Gates::Verdict Gates::takeFromBudget(http::Call& call, Waiting waiting) {
  if (call.route().access.isOpen() || call.route().options.limit == http::LimitClass::none ||
      call.principal().accounted)
    return passed();
  // Without the tenant, which the caller chooses: a member of five tenants must not have five
  // budgets.
  const limits::Charge caller{.key = {.tenant = {}, .principal = call.principal().id},
                              .quota = quotaOf(call)};
  std::array charges{caller, limits::Charge()};
  std::size_t count = 1;
  const auto tenant = parts_.directory.quotas(call.tenant());
  if (tenant && tenant->requestsPerMinute) {
    charges[count++] = {.key = {.tenant = call.tenant(), .principal = {}},
                        .quota = {.policy = kTenantPolicy,
                                  .limit = static_cast<std::uint32_t>(*tenant->requestsPerMinute)}};
  }
  const auto all = std::span<const limits::Charge>(charges).first(count);
  const auto decision = waiting == Waiting::no ? parts_.limiter.tryAdmit(all)
                                               : std::optional(parts_.limiter.admit(all));
  if (!decision) return std::nullopt;
  addLimitHeaders(call, *decision);
  if (decision->allowed) return passed();
  call.addHeader("Retry-After", limits::retryAfterField(*decision));
  return fail(ErrorCode::resourceExhausted, refusalOf(*decision));
}

}  // namespace corbel::gates
