#include "claims.h"

#include <algorithm>

#include "base/json_text.h"
#include "base/text.h"
#include "token.h"

namespace corbel::identity {
namespace {

using simdjson::dom::element;
using std::chrono::seconds;

constexpr std::size_t kMaxUser = 255;
constexpr std::size_t kMaxListed = 64;
// 9999-12-31T23:59:59Z: larger ones are mistakes (milliseconds) or attacks on arithmetic.
constexpr std::int64_t kMaxTime = 253'402'300'799;

// RFC 7519 allows fractions; texts, fractions and huge numbers have all been ways around a check.
Result<std::optional<Timestamp>> readTime(const StrictJson& json, std::string_view name) {
  const auto found = json.find(name);
  if (!found) return std::nullopt;
  std::int64_t value = 0;
  if (!found->is_int64() || found->get_int64().get(value) != simdjson::SUCCESS || value < 0 ||
      value > kMaxTime) {
    return tokenRefused(std::string(name) + " is no whole number of seconds");
  }
  return Timestamp(seconds(value));
}

Result<Timestamp> readTimes(const StrictJson& json, seconds leeway, Timestamp now) {
  CORBEL_TRY(const auto expires, readTime(json, "exp"));
  CORBEL_TRY(const auto begins, readTime(json, "nbf"));
  CORBEL_TRY(const auto issued, readTime(json, "iat"));
  if (!expires) return tokenRefused("exp is missing");
  if (*expires + leeway <= now) {
    return fail(ErrorCode::unauthenticated, "The token has expired.", "token: expired");
  }
  if (begins && *begins > now + leeway) return tokenRefused("nbf lies in the future");
  if (issued && *issued > now + leeway) return tokenRefused("iat lies in the future");
  return *expires;
}

// Nothing: neither a text nor a list of texts.
std::optional<std::vector<std::string>> readTexts(element value) {
  std::vector<std::string> texts;
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return std::vector{std::string(text)};
  if (!value.is_array()) return std::nullopt;
  for (const element item : value.get_array().value_unsafe()) {
    if (item.get_string().get(text) != simdjson::SUCCESS || texts.size() == kMaxListed)
      return std::nullopt;
    texts.emplace_back(text);
  }
  return texts;
}

// The same, but one text may hold several words.
Result<std::optional<std::vector<std::string>>> readWords(const StrictJson& json,
                                                          const std::string& claim) {
  const auto found = json.find(claim);
  if (!found || found->is_null()) return std::nullopt;
  auto texts = readTexts(*found);
  if (!texts) return tokenRefused(claim + " is no list of at most 64 texts");
  if (!found->is_string()) return texts;
  std::vector<std::string> words;
  for (std::string_view rest = texts->front(); !rest.empty();) {
    if (const auto word = takeUntil(rest, ' '); !word.empty() && words.size() < kMaxListed)
      words.emplace_back(word);
  }
  return words;
}

bool isFitForLogs(std::string_view text) {
  return !text.empty() && text.size() <= kMaxUser && std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

Result<std::string> readUser(const StrictJson& json, const std::string& claim) {
  auto found = json.find(claim.empty() ? "sub" : claim);
  if (!found && claim.empty()) found = json.find("id");
  if (!found) return tokenRefused("the user claim is missing");
  std::string_view text;
  std::int64_t number = 0;
  if (found->get_string().get(text) == simdjson::SUCCESS && isFitForLogs(text))
    return std::string(text);
  if (found->is_int64() && found->get_int64().get(number) == simdjson::SUCCESS)
    return std::to_string(number);
  return tokenRefused("the user claim is no text of 1 to 255 bytes without control characters");
}

Result<void> checkAudience(const StrictJson& json, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return {};
  const auto found = json.find("aud");
  const auto audiences = found ? readTexts(*found) : std::nullopt;
  if (audiences && std::ranges::find_first_of(*audiences, wanted) != audiences->end()) return {};
  return tokenRefused("aud is missing or foreign");
}

// About the whole answer the words must be true; deeper down they may mean something else, unless
// they plainly say no.
bool saysNo(const StrictJson& answer) {
  for (const std::string_view word : {"valid", "active", "success", "authenticated"}) {
    bool good = true;
    const auto whole = answer.find(word);
    if (whole && (whole->get_bool().get(good) != simdjson::SUCCESS || !good)) return true;
    const auto inside = answer.find("/data/" + std::string(word));
    if (inside && inside->get_bool().get(good) == simdjson::SUCCESS && !good) return true;
  }
  return false;
}

std::string subjectOf(const StrictJson& answer) {
  for (const std::string_view pointer : {"/user", "/data/user", "/data"}) {
    const auto found = answer.find(pointer);
    if (found && found->is_object()) return std::string(pointer);
  }
  return {};
}

}  // namespace

Result<Claims> readClaims(const StrictJson& json, const IssuerConfig& issuer, Timestamp now) {
  if (!issuer.iss.empty() && json.text("iss") != issuer.iss)
    return tokenRefused("iss is missing or foreign");
  CORBEL_CHECK(checkAudience(json, issuer.audiences));
  for (const std::string& name : issuer.requiredClaims) {
    if (!json.has(name)) return tokenRefused("a required claim is missing: " + name);
  }
  Claims claims;
  CORBEL_TRY(claims.expiresAt, readTimes(json, issuer.leeway, now));
  CORBEL_TRY(claims.user, readUser(json, issuer.claims.user));
  CORBEL_TRY(claims.roles, readWords(json, issuer.claims.roles));
  CORBEL_TRY(claims.tenants, readWords(json, issuer.claims.tenants));
  const std::string_view name = json.text("name").value_or("");
  claims.name = isFitForLogs(name) ? std::string(name) : claims.user;
  return claims;
}

Result<std::optional<Claims>> readVerified(const StrictJson& answer, const ClaimMap& map) {
  if (saysNo(answer)) return std::nullopt;
  const std::string subject = subjectOf(answer);
  const auto at = [&](const std::string& claim) {
    return subject + (claim.starts_with('/') ? claim : pointerPart(claim));
  };
  const std::string user = !map.user.empty() ? map.user : answer.has(at("sub")) ? "sub" : "id";
  Claims claims;
  CORBEL_TRY(claims.user, readUser(answer, at(user)));
  CORBEL_TRY(claims.roles, readWords(answer, at(map.roles)));
  CORBEL_TRY(claims.tenants, readWords(answer, at(map.tenants)));
  CORBEL_TRY(const auto ofSubject, readTime(answer, at("exp")));
  CORBEL_TRY(const auto ofData, readTime(answer, "/data/exp"));
  CORBEL_TRY(const auto ofAnswer, readTime(answer, "exp"));
  claims.expiresAt = Timestamp::max();
  for (const auto& time : {ofSubject, ofData, ofAnswer})
    claims.expiresAt = std::min(claims.expiresAt, time.value_or(Timestamp::max()));
  const std::string_view name = answer.text(at("name")).value_or("");
  claims.name = isFitForLogs(name) ? std::string(name) : claims.user;
  return claims;
}

}  // namespace corbel::identity
