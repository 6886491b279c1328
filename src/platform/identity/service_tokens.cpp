#include "identity/service_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>

#include "base/json_text.h"
#include "base/text.h"
#include "claims.h"
#include "crypto/encoding.h"
#include "crypto/sha256.h"
#include "directory_store.h"
#include "identity/jwt.h"
#include "token.h"

namespace corbel::identity {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr std::string_view kIssuer = "corbel";
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::string_view kAlgorithm = "HS256";

std::string audienceOf(std::string_view service) { return fmt::format("corbel:{}", service); }

std::string url(std::string_view text) { return crypto::toBase64Url(crypto::bytesOf(text)); }

std::string object(std::initializer_list<std::pair<std::string_view, std::string_view>> texts,
                   std::initializer_list<std::pair<std::string_view, std::int64_t>> numbers) {
  std::string json = "{";
  for (const auto& [name, text] : texts) {
    json += fmt::format("{}\"{}\":", json.size() > 1 ? "," : "", name);
    appendJsonString(json, text);
  }
  for (const auto& [name, number] : numbers) json += fmt::format(",\"{}\":{}", name, number);
  return json + "}";
}

std::int64_t secondsOf(Timestamp time) {
  return duration_cast<seconds>(time.time_since_epoch()).count();
}

std::optional<PrincipalKind> kindOf(std::string_view word) {
  for (const PrincipalKind kind : {PrincipalKind::user, PrincipalKind::apiKey,
                                   PrincipalKind::service, PrincipalKind::anonymous}) {
    if (name(kind) == word) return kind;
  }
  return std::nullopt;
}

std::vector<std::string> wordsOf(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    if (const auto word = takeUntil(text, ' '); !word.empty()) words.emplace_back(word);
  }
  return words;
}

IssuerConfig rulesFor(const std::vector<std::string>& audiences) {
  IssuerConfig rules{.keys = std::shared_ptr<JwksSource>()};
  rules.iss = kIssuer;
  rules.audiences = audiences;
  rules.leeway = ServiceTokens::kLeeway;
  rules.requiredClaims = {"jti", "iat", "sub", "kind", "tenant", "permissions"};
  rules.claims.user = "jti";
  // Everything else is read below, for tokens of ours name one tenant and no roles of an issuer.
  rules.claims.roles = "corbel-none";
  rules.claims.tenants = "corbel-none";
  return rules;
}

}  // namespace

UsedTokens::Use UsedTokens::use(std::string_view id, Timestamp expiresAt, Timestamp now) {
  const auto digest = crypto::sha256(id);
  Key key;
  std::copy_n(digest.begin(), key.size(), key.begin());
  const MutexLock lock(mutex_);
  while (!byEnd_.empty() && byEnd_.front().first < now) {
    known_.erase(byEnd_.front().second);
    byEnd_.pop_front();
  }
  if (known_.contains(key)) return Use::again;
  if (known_.size() >= max_) return Use::tooMany;
  known_.insert(key);
  byEnd_.emplace_back(expiresAt, key);
  return Use::first;
}

ServiceTokens::ServiceTokens(crypto::HmacKey key, crypto::Verifier verifier,
                             std::vector<std::string> audiences, const Clock& clock, IdSource& ids)
    : key_(std::move(key)),
      verifier_(std::move(verifier)),
      audiences_(std::move(audiences)),
      clock_(clock),
      ids_(ids) {}

Result<std::unique_ptr<ServiceTokens>> ServiceTokens::make(const Secret& secret,
                                                           std::vector<std::string> services,
                                                           const Clock& clock, IdSource& ids) {
  CORBEL_TRY(auto key, crypto::HmacKey::fromSecret(secret.reveal()));
  CORBEL_TRY(auto verifier, crypto::Verifier::bind(crypto::SignatureAlgorithm::hs256,
                                                   crypto::VerificationKey(key)));
  for (std::string& service : services) service = audienceOf(service);
  return std::unique_ptr<ServiceTokens>(
      new ServiceTokens(std::move(key), std::move(verifier), std::move(services), clock, ids));
}

Secret ServiceTokens::issue(std::string_view service, const Actor& actor) const {
  const Timestamp now = clock_.now();
  const std::string permissions = toText(actor.membership.permissions);
  std::string roles;
  for (const std::string& role : actor.membership.roles) roles += role + " ";
  const std::string id = ids_.next();
  const std::string audience = audienceOf(service);
  const std::string claims = object({{"iss", kIssuer},
                                     {"aud", audience},
                                     {"jti", id},
                                     {"sub", actor.principal.id},
                                     {"name", actor.principal.name},
                                     {"kind", name(actor.principal.kind)},
                                     {"tenant", actor.membership.tenant},
                                     {"roles", roles},
                                     {"permissions", permissions}},
                                    {{"iat", secondsOf(now)}, {"exp", secondsOf(now + kLifetime)}});
  const std::string signedPart = url(kHeader) + "." + url(claims);
  return Secret(fmt::format("{}{}.{}", kMark, signedPart,
                            url(key_.sign(crypto::SignatureAlgorithm::hs256, signedPart))));
}

Result<PrincipalRef> ServiceTokens::verify(std::string_view credential) {
  if (!isServiceToken(credential)) return tokenRefused("not of a service");
  CORBEL_TRY(const Token token, parseToken(credential.substr(kMark.size())));
  if (token.algorithm != kAlgorithm || !verifier_.verify(token.signedPart, token.signature))
    return tokenRefused("not signed by this installation");
  if (audiences_.empty()) return tokenRefused("this process offers no service");
  const Timestamp now = clock_.now();
  CORBEL_TRY(const Claims claims, readClaims(token.claims, rulesFor(audiences_), now));
  if (claims.expiresAt > now + kMaxLifetime + kLeeway) return tokenRefused("it lasts too long");
  const auto principal = token.claims.text("sub");
  const auto tenant = token.claims.text("tenant");
  const auto permissions = token.claims.text("permissions");
  const auto kind = kindOf(token.claims.text("kind").value_or(""));
  if (!principal || principal->empty() || !tenant || tenant->empty() || !permissions || !kind)
    return tokenRefused("it names no caller");
  switch (used_.use(claims.user, claims.expiresAt + kLeeway, now)) {
    case UsedTokens::Use::first:
      break;
    case UsedTokens::Use::again:
      return tokenRefused("it was used before");
    case UsedTokens::Use::tooMany:
      return fail(ErrorCode::unavailable, "Too many requests in this minute; try again.",
                  "token: too many to remember");
  }
  Membership membership{.tenant = std::string(*tenant),
                        .roles = wordsOf(token.claims.text("roles").value_or("")),
                        .permissions = permissionsFromText(*permissions)};
  return std::make_shared<const Principal>(
      Principal{.kind = *kind,
                .id = std::string(*principal),
                .name = std::string(token.claims.text("name").value_or("")),
                .memberships = {std::move(membership)},
                .accounted = true});
}

}  // namespace corbel::identity
