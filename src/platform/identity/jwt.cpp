#include "identity/jwt.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "claims.h"
#include "crypto/sha256.h"
#include "fetched_keys.h"
#include "token.h"
#include "token_cache.h"
#include "token_principal.h"

namespace corbel::identity {
namespace {

// Both would take each other's tokens, and their subjects would be one principal.
Result<void> checkDistinct(const std::vector<IssuerConfig>& issuers) {
  const auto anonymous = [](const IssuerConfig& issuer) { return issuer.iss.empty(); };
  const auto first = std::ranges::find_if(issuers, anonymous);
  if (first == issuers.end()) return {};
  const auto second = std::find_if(first + 1, issuers.end(), anonymous);
  if (second == issuers.end()) return {};
  return failField(fmt::format("/issuers/{}/iss", second - issuers.begin()),
                   "is required: only one issuer (a JWT secret counts as one) may be without");
}

Result<void> checkConfig(const IssuerConfig& config, std::string_view pointer) {
  const auto refuse = [&](std::string_view field, std::string_view message) {
    return failField(fmt::format("{}/{}", pointer, field), std::string(message));
  };
  if (config.leeway < std::chrono::seconds(0) || config.leeway > IssuerConfig::kMaxLeeway) {
    return refuse("leeway", "must be from 0 to 60 seconds");
  }
  if (config.claims.roles.empty() || config.claims.tenants.empty()) {
    return refuse("claims", "the names of the roles and tenants claims must not be empty");
  }
  using enum crypto::SignatureAlgorithm;
  const bool isSecret =
      config.algorithm == hs256 || config.algorithm == hs384 || config.algorithm == hs512;
  if (isSecret && std::holds_alternative<std::shared_ptr<JwksSource>>(config.keys)) {
    return refuse("algorithm",
                  fmt::format("{} takes a secret, not a key set", name(config.algorithm)));
  }
  return {};
}

}  // namespace

// One issuer with its keys, fixed or fetched.
class JwtVerifier::Issuer {
 public:
  static Result<Issuer> make(IssuerConfig config, const Clock& clock, FetchSlot& slot) {
    Issuer issuer(std::move(config));
    if (const auto* source = std::get_if<std::shared_ptr<JwksSource>>(&issuer.config_.keys)) {
      issuer.fetched_ = std::make_unique<FetchedKeys>(*source, issuer.config_.algorithm, clock,
                                                      slot, issuer.config_.iss);
    } else {
      CORBEL_TRY(issuer.fixed_,
                 crypto::Verifier::bind(issuer.config_.algorithm,
                                        std::get<crypto::VerificationKey>(issuer.config_.keys)));
    }
    return issuer;
  }

  const IssuerConfig& config() const { return config_; }
  bool signsWith(std::string_view algorithm) const { return algorithm == name(config_.algorithm); }
  KeyAnswer key(const std::optional<std::string>& kid, std::optional<Deadline> deadline) {
    return fixed_ ? KeyAnswer{.state = KeyState::found, .key = fixed_}
                  : fetched_->find(kid, deadline);
  }
  Result<void> fetchKeys(Deadline deadline) {
    return fetched_ == nullptr ? Result<void>() : fetched_->fetch(deadline);
  }
  void refreshKeys(Deadline deadline) {
    if (fetched_ != nullptr) fetched_->refresh(deadline);
  }
  std::optional<KeySetState> keySet(Deadline deadline) {
    if (fetched_ == nullptr) return std::nullopt;
    return fetched_->state(deadline);
  }

 private:
  explicit Issuer(IssuerConfig config) : config_(std::move(config)) {}
  IssuerConfig config_;
  std::optional<crypto::Verifier> fixed_;
  std::unique_ptr<FetchedKeys> fetched_;
};

struct JwtVerifier::State {
  const Directory& directory;
  const Clock& clock;
  const JwtOptions options;
  TokenCache cache;
  FetchSlot slot;
  std::vector<Issuer> issuers;

  bool names(std::optional<std::string_view> iss) const {
    return iss && !iss->empty() && std::ranges::any_of(issuers, [&](const Issuer& issuer) {
             return issuer.config().iss == *iss;
           });
  }

  // Those that a token of this `iss` and algorithm may be from. An issuer that names itself has its
  // tokens for itself.
  std::vector<Issuer*> candidates(std::optional<std::string_view> iss, std::string_view algorithm) {
    const bool named = names(iss);
    std::vector<Issuer*> found;
    for (Issuer& issuer : issuers) {
      const bool fits = named ? issuer.config().iss == *iss : issuer.config().iss.empty();
      if (fits && issuer.signsWith(algorithm)) found.push_back(&issuer);
    }
    return found;
  }
};

JwtVerifier::JwtVerifier(const Directory& directory, const Clock& clock, JwtOptions options)
    : state_(new State{directory, clock, options, TokenCache(options.cacheBytes), {}, {}}) {}

JwtVerifier::~JwtVerifier() = default;

Result<std::unique_ptr<JwtVerifier>> JwtVerifier::make(std::vector<IssuerConfig> issuers,
                                                       const Directory& directory,
                                                       const Clock& clock, JwtOptions options) {
  CORBEL_CHECK(checkDistinct(issuers));
  std::unique_ptr<JwtVerifier> verifier(new JwtVerifier(directory, clock, options));
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    const std::string pointer = fmt::format("/issuers/{}", i);
    CORBEL_CHECK(checkConfig(issuers[i], pointer));
    auto issuer = Issuer::make(std::move(issuers[i]), clock, verifier->state_->slot);
    if (!issuer) return failField(pointer, issuer.error().message);
    verifier->state_->issuers.push_back(*std::move(issuer));
  }
  return verifier;
}

std::optional<Result<PrincipalRef>> JwtVerifier::tryVerify(std::string_view token) {
  return check(token, std::nullopt);
}

Result<PrincipalRef> JwtVerifier::verify(std::string_view token, Deadline deadline) {
  return *check(token, deadline);
}

std::optional<Result<PrincipalRef>> JwtVerifier::check(std::string_view text,
                                                       std::optional<Deadline> deadline) {
  if (text.size() > kMaxTokenBytes) return tokenRefused("longer than 8 KiB");
  const auto digest = crypto::sha256(text);
  if (const auto known = state_->cache.find(digest, state_->clock)) return *known;
  const auto token = parseToken(text);
  if (!token) return std::unexpected(token.error());

  std::optional<std::string> unavailable;
  for (Issuer* issuer : state_->candidates(token->claims.text("iss"), token->algorithm)) {
    const KeyAnswer answer = issuer->key(token->kid, deadline);
    if (answer.state == KeyState::needsFetch) return std::nullopt;
    if (answer.state == KeyState::unavailable) unavailable = answer.reason;
    if (!answer.key || !answer.key->verify(token->signedPart, token->signature)) continue;
    return accept(*token, issuer->config(), digest);
  }
  if (unavailable) {
    return fail(ErrorCode::unavailable, "Tokens of this issuer cannot be checked now; try again.",
                "token: the issuer's keys are not available: " + *unavailable);
  }
  return tokenRefused("no configured issuer has signed it");
}

Result<PrincipalRef> JwtVerifier::accept(const Token& token, const IssuerConfig& config,
                                         const crypto::Sha256Digest& digest) {
  const Timestamp now = state_->clock.now();
  CORBEL_TRY(const Claims claims, readClaims(token.claims, config, now));
  PrincipalRef principal = principalOf(claims, config, state_->directory);
  const SteadyTime keepUntil = state_->clock.steady() + state_->options.cacheFor;
  state_->cache.put(
      digest, {.principal = principal, .expiresAt = claims.expiresAt, .keepUntil = keepUntil});
  return principal;
}

bool JwtVerifier::claims(std::string_view text) const {
  if (text.size() > kMaxTokenBytes) return true;
  const auto token = parseToken(text);
  if (!token) return false;
  const auto iss = token->claims.text("iss");
  return state_->names(iss) || !state_->candidates(iss, token->algorithm).empty();
}

Result<void> JwtVerifier::fetchKeys(Deadline deadline) {
  Result<void> first;
  for (Issuer& issuer : state_->issuers) {
    const auto fetched = issuer.fetchKeys(deadline);
    if (!fetched && first) first = fetched;
  }
  return first;
}

void JwtVerifier::refreshKeys(Deadline deadline) {
  for (Issuer& issuer : state_->issuers) issuer.refreshKeys(deadline);
}

std::optional<KeySetState> JwtVerifier::keySet(std::size_t issuer, Deadline deadline) {
  if (issuer >= state_->issuers.size()) return std::nullopt;
  return state_->issuers[issuer].keySet(deadline);
}

Result<IssuerConfig> issuerOfSecret(std::string_view secret) {
  CORBEL_TRY(auto key, crypto::HmacKey::fromSecret(secret));
  return IssuerConfig{.algorithm = crypto::SignatureAlgorithm::hs256,
                      .keys = crypto::VerificationKey(std::move(key))};
}

}  // namespace corbel::identity
