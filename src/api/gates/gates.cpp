#include "gates/gates.h"

#include <optional>
#include <span>
#include <utility>

#include "base/limits.h"
#include "base/text.h"
#include "base/trace.h"
#include "http/session_cookie.h"

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

// Files, and bodies that are held in memory while they are worked on.
bool isHeavy(const http::Call& call) {
  constexpr std::size_t kLightBody = 64 * limits::kKiB;
  if (call.route().input == http::Input::upload) return true;
  if (call.head().count("Transfer-Encoding") > 0) return true;
  const auto length = parseNumber<std::size_t>(call.head().header("Content-Length"));
  return length.value_or(0) > kLightBody;
}

void addLimitHeaders(http::Call& call, const limits::Decision& decision) {
  call.addHeader("RateLimit-Policy", limits::rateLimitPolicyField(decision));
  call.addHeader("RateLimit", limits::rateLimitField(decision));
}

// A cookie is sent along whoever made the request: where something is changed it must have been a
// page of ours.
Result<void> checkOwnPage(const http::Call& call) {
  const http::Method method = call.head().method;
  const bool reads = method == http::Method::get || method == http::Method::head;
  if ((reads && !call.route().webSocket) || http::isFromOwnPage(call.head())) return {};
  return fail(ErrorCode::permissionDenied,
              "The session's cookie counts in requests of this server's own pages only. Send a "
              "credential as `Authorization: Bearer <credential>`.");
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

const std::array<Gates::Gate, 6> Gates::kGates = {{{"drain", &Gates::refuseWhileDraining},
                                                   {"memory", &Gates::shedLoad},
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
    trace::Span span("gate", gate.name);
    auto verdict = (this->*gate.judge)(call, Waiting::no);
    if (verdict && !*verdict) span.fail(verdict->error().message);
    if (!verdict || !*verdict) return verdict;
  }
  return passed();
}

Result<void> Gates::decide(http::Call& call) {
  for (const Gate& gate : kGates) {
    trace::Span span("gate", gate.name);
    auto verdict = (this->*gate.judge)(call, Waiting::allowed);
    if (verdict && !*verdict) span.fail(verdict->error().message);
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

Gates::Verdict Gates::shedLoad(http::Call& call, Waiting) {
  using resilience::MemoryLevel;
  const MemoryLevel level = parts_.memory == nullptr ? MemoryLevel::normal : parts_.memory->level();
  // Health and administration stay, to see what is wrong.
  const http::Access& access = call.route().access;
  if (level < MemoryLevel::noHeavy || access.isOpen() ||
      access.permission() == identity::Permission::systemRead)
    return passed();
  if (level == MemoryLevel::noHeavy && !isHeavy(call)) return passed();
  call.addHeader("Retry-After", "2");
  return fail(ErrorCode::unavailable, "The server is short of memory. Try again in a few seconds.");
}

std::optional<Result<identity::PrincipalRef>> Gates::principalOf(http::Call& call,
                                                                 Waiting waiting) {
  const auto credential = credentialOf(call.head());
  if (!credential) return std::unexpected(credential.error());
  if (credential->empty()) {
    if (authentication_ == Authentication::off) return identity::trustedAnonymous();
    if (const auto cookie = http::sessionCookieOf(call.head()); !cookie.empty()) {
      if (auto own = checkOwnPage(call); !own) return std::unexpected(std::move(own).error());
      return sessionOf(cookie, call.deadline(), waiting);
    }
    return fail(ErrorCode::unauthenticated,
                "Send an API key or token as `Authorization: Bearer <credential>`.");
  }
  if (identity::ServiceTokens::isServiceToken(*credential)) {
    if (parts_.serviceTokens != nullptr) return parts_.serviceTokens->verify(*credential);
    return fail(ErrorCode::unauthenticated, "The token is not valid.", "token: of a service");
  }
  if (identity::ApiKeys::isApiKey(*credential)) return parts_.keys.verify(*credential);
  if (identity::Sessions::isSessionToken(*credential))
    return sessionOf(*credential, call.deadline(), waiting);
  return bearerOf(*credential, call.deadline(), waiting);
}

std::optional<Result<identity::PrincipalRef>> Gates::sessionOf(std::string_view token,
                                                               Deadline deadline, Waiting waiting) {
  if (parts_.sessions == nullptr)
    return fail(ErrorCode::unauthenticated, "The session has ended. Sign in again.",
                "session: nobody signs in here");
  if (waiting == Waiting::allowed) return parts_.sessions->verify(token, deadline);
  return parts_.sessions->tryVerify(token);
}

// What the issuers here do not claim is for the product's backend to judge.
std::optional<Result<identity::PrincipalRef>> Gates::bearerOf(std::string_view token,
                                                              Deadline deadline, Waiting waiting) {
  const bool mayWait = waiting == Waiting::allowed;
  auto own = mayWait ? parts_.tokens.verify(token, deadline) : parts_.tokens.tryVerify(token);
  const bool refused = own && !*own && own->error().code == ErrorCode::unauthenticated;
  if (!refused || parts_.backend == nullptr || parts_.tokens.claims(token)) return own;
  return mayWait ? parts_.backend->verify(token, deadline) : parts_.backend->tryVerify(token);
}

std::chrono::seconds Gates::retryAfter() const {
  return parts_.backend == nullptr ? std::chrono::seconds(1) : parts_.backend->retryAfter();
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
  if (!*principal) {
    if (principal->error().code == ErrorCode::unavailable)
      call.addHeader("Retry-After", std::to_string(retryAfter().count()));
    return std::unexpected(std::move(*principal).error());
  }
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
