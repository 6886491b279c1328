#include "identity/backend_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "claims.h"
#include "token.h"
#include "token_cache.h"
#include "token_principal.h"

namespace corbel::identity {
namespace {

// The product's users, under no issuer's name.
IssuerConfig productIssuer(ClaimMap claims) {
  IssuerConfig issuer{.keys = std::shared_ptr<JwksSource>()};
  issuer.claims = std::move(claims);
  return issuer;
}

std::unexpected<Error> notKnownNow(const std::string& why) {
  return fail(ErrorCode::unavailable, "Your token cannot be checked now; try again.",
              "token: the backend that verifies it does not answer: " + why);
}

std::string describe(const Error& error) {
  return error.detail.empty() ? error.message : fmt::format("{} ({})", error.message, error.detail);
}

// RFC 6750, 2.1: what can stand in a header, and goes into another one.
bool isTokenText(std::string_view token) {
  return std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

BackendTokens::BackendTokens(const Parts& parts, Ask ask, ClaimMap claims, std::size_t cacheBytes)
    : parts_(parts),
      ask_(std::move(ask)),
      issuer_(productIssuer(std::move(claims))),
      cache_(std::make_unique<TokenCache>(cacheBytes)) {}

BackendTokens::~BackendTokens() = default;

std::optional<Result<PrincipalRef>> BackendTokens::known(const Digest& digest) {
  const auto found = cache_->find(digest, parts_.clock);
  if (!found) return std::nullopt;
  if (*found == nullptr) return tokenRefused("the backend has refused it");
  return *found;
}

std::optional<Result<PrincipalRef>> BackendTokens::tryVerify(std::string_view token) {
  if (token.size() > kMaxTokenBytes || !isTokenText(token)) return tokenRefused("no token");
  if (auto found = known(crypto::sha256(token))) return found;
  if (parts_.backend.isOpen()) return notKnownNow("it is not asked for a while");
  return std::nullopt;
}

Result<PrincipalRef> BackendTokens::verify(std::string_view token, Deadline deadline) {
  if (auto now = tryVerify(token)) return *std::move(now);
  const Digest digest = crypto::sha256(token);
  std::shared_ptr<Flight> flight;
  {
    MutexLock lock(mutex_);
    if (const auto other = flights_.find(digest); other != flights_.end()) {
      const std::shared_ptr<Flight> theirs = other->second;
      while (!theirs->outcome) {
        if (!waitUntil(lock, landed_, deadline, parts_.clock)) break;
      }
      return theirs->outcome.value_or(notKnownNow("there was no time left"));
    }
    flight = flights_[digest] = std::make_shared<Flight>();
  }
  Result<PrincipalRef> outcome = notKnownNow("asking it failed");
  // Whatever happens here, nobody may wait for ever.
  const auto land = [&](const void*) {
    const MutexLock lock(mutex_);
    flight->outcome = outcome;
    flights_.erase(digest);
    landed_.notify_all();
  };
  const std::unique_ptr<const void, decltype(land)> landing(this, land);
  outcome = askOnce(token, digest, deadline);
  return outcome;
}

Result<PrincipalRef> BackendTokens::askOnce(std::string_view token, const Digest& digest,
                                            Deadline deadline) {
  // Somebody else's question may have been answered since.
  if (auto found = known(digest)) return *std::move(found);
  auto verdict = askBackend(token, deadline);
  if (!verdict) return notKnownNow(describe(verdict.error()));
  if (verdict->expiresAt <= parts_.clock.now()) verdict->principal = nullptr;
  const bool good = verdict->principal != nullptr;
  cache_->put(digest, {.principal = verdict->principal,
                       .expiresAt = good ? verdict->expiresAt : Timestamp::max(),
                       .keepUntil = parts_.clock.steady() + (good ? kKeepGood : kKeepBad)});
  if (!good) return tokenRefused("the backend has refused it");
  return verdict->principal;
}

Result<BackendTokens::Verdict> BackendTokens::askBackend(std::string_view token,
                                                         Deadline deadline) {
  return parts_.backend.call(deadline, [&](resilience::Permit& permit) -> Result<Verdict> {
    CORBEL_TRY(const Answer answer, ask_(token, permit.deadline()));
    return interpret(answer, permit);
  });
}

Result<BackendTokens::Verdict> BackendTokens::interpret(const Answer& answer,
                                                        resilience::Permit& permit) const {
  if (answer.status == 401 || answer.status == 403) return Verdict{.principal = nullptr};
  if (answer.status == 429) {
    permit.pushBack(answer.retryAfter.value_or(std::chrono::seconds(1)));
    return fail(ErrorCode::unavailable, "The backend asked for a pause.");
  }
  if (answer.status != 200) {
    // It answers, but not to this: a setting is wrong, and a pause would not mend it.
    if (answer.status < 500) permit.countAs(resilience::Outcome::answered);
    return fail(ErrorCode::unavailable,
                fmt::format("The backend answered with status {}.", answer.status));
  }
  const auto json = StrictJson::parse(answer.body);
  if (!json) return fail(ErrorCode::unavailable, "The backend's answer is no JSON object.");
  const auto claims = readVerified(*json, issuer_.claims);
  if (!claims) {
    return fail(ErrorCode::unavailable, "The backend's answer does not say who the user is.",
                claims.error().detail);
  }
  if (!*claims) return Verdict{.principal = nullptr};
  return Verdict{.principal = principalOf(**claims, issuer_, parts_.directory),
                 .expiresAt = (*claims)->expiresAt};
}

std::size_t BackendTokens::forget(std::string_view principal) { return cache_->forget(principal); }

std::chrono::seconds BackendTokens::retryAfter() const {
  return std::max(std::chrono::ceil<std::chrono::seconds>(parts_.backend.retryIn()),
                  std::chrono::seconds(1));
}

}  // namespace corbel::identity
