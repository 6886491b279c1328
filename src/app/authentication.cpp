#include "app/authentication.h"

#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "crypto/signature.h"
#include "net/fetch.h"

namespace corbel::app {
namespace {

using crypto::SignatureAlgorithm;

std::unexpected<Error> wrong(const std::string& setting, const std::string& why) {
  return fail(ErrorCode::invalidArgument, "setting " + setting + ": " + why);
}

Result<std::string> readFile(const std::string& setting, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return wrong(setting, "the file " + path + " cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::shared_ptr<identity::JwksSource> keysOfUrl(const std::string& url, const std::string& setting,
                                                const Clock& clock, Outbound& outbound) {
  auto& issuer =
      outbound.add({.name = setting,
                    .endpoint = url,
                    .cap = std::chrono::seconds(5),
                    .repeat = resilience::Repeat::once,
                    .probe = [url, &clock](Deadline deadline) -> Result<void> {
                      CORBEL_CHECK(net::fetch(url, {.plainHttpToLoopback = true}, deadline, clock));
                      return {};
                    }});
  return identity::jwksUrl(
      url,
      [&issuer, &clock](const std::string& at, std::size_t maxBytes,
                        Deadline deadline) -> Result<std::string> {
        auto text = issuer.call(deadline, [&](const resilience::Permit& permit) {
          return net::fetch(at, {.maxBytes = maxBytes, .plainHttpToLoopback = true},
                            permit.deadline(), clock);
        });
        if (text) return text;
        // Why it is not asked now says more to operators than that it is not.
        const auto snapshot = issuer.snapshot();
        return std::unexpected(snapshot.lastError.value_or(text.error()));
      });
}

Result<identity::IssuerKeys> keysOf(const config::IssuerSettings& issuer,
                                    SignatureAlgorithm algorithm, const std::string& setting,
                                    const Clock& clock, Outbound& outbound) {
  if (!issuer.jwksFile.empty()) {
    CORBEL_CHECK(readFile(setting + ".jwksFile", issuer.jwksFile));
    return identity::jwksFile(issuer.jwksFile);
  }
  if (!issuer.jwksUrl.empty()) return keysOfUrl(issuer.jwksUrl, setting, clock, outbound);
  CORBEL_TRY(auto text, readFile(setting + ".keyFile", issuer.keyFile));
  const bool isSecret = algorithm == SignatureAlgorithm::hs256 ||
                        algorithm == SignatureAlgorithm::hs384 ||
                        algorithm == SignatureAlgorithm::hs512;
  if (!isSecret) {
    auto key = crypto::publicKeyFromPem(algorithm, text);
    if (!key) return wrong(setting + ".keyFile", key.error().message);
    return *std::move(key);
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  auto key = crypto::HmacKey::fromSecret(text);
  if (!key) return wrong(setting + ".keyFile", key.error().message);
  return crypto::VerificationKey(*std::move(key));
}

Result<identity::IssuerConfig> toIssuer(const config::IssuerSettings& settings,
                                        const std::string& setting, const Clock& clock,
                                        Outbound& outbound) {
  const auto algorithm = crypto::signatureAlgorithm(settings.algorithm);
  if (!algorithm) return wrong(setting + ".algorithm", "is not known");
  CORBEL_TRY(auto keys, keysOf(settings, *algorithm, setting, clock, outbound));
  identity::IssuerConfig issuer{.keys = std::move(keys)};
  issuer.iss = settings.iss;
  if (!settings.audience.empty()) issuer.audiences = {settings.audience};
  issuer.algorithm = *algorithm;
  issuer.leeway = settings.leeway;
  issuer.claims = {settings.claims.user, settings.claims.roles, settings.claims.tenants};
  return issuer;
}

}  // namespace

Result<std::unique_ptr<identity::JwtVerifier>> makeJwtVerifier(const config::AuthSettings& settings,
                                                               const identity::Directory& directory,
                                                               const Clock& clock,
                                                               Outbound& outbound) {
  std::vector<identity::IssuerConfig> issuers;
  for (std::size_t i = 0; i < settings.issuers.size(); ++i) {
    CORBEL_TRY(auto issuer, toIssuer(settings.issuers[i], "auth.issuers[" + std::to_string(i) + "]",
                                     clock, outbound));
    issuers.push_back(std::move(issuer));
  }
  if (!settings.jwtSecret.reveal().empty()) {
    auto key = crypto::HmacKey::fromSecret(settings.jwtSecret.reveal());
    if (!key) return wrong("auth.jwtSecret", key.error().message);
    issuers.push_back({.keys = crypto::VerificationKey(*std::move(key))});
  }
  return identity::JwtVerifier::make(std::move(issuers), directory, clock);
}

}  // namespace corbel::app
