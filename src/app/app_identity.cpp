// Who may come in.
#include <chrono>

#include "app/app.h"
#include "app/authentication.h"
#include "telemetry/log.h"

namespace corbel::app {
namespace {

constexpr std::chrono::seconds kKeySetDeadline{3};
constexpr std::chrono::seconds kRefreshEvery{1};

}  // namespace

Result<void> App::openIdentity() {
  const auto& directory = *installation_->directory;
  outbound_ = std::make_unique<Outbound>(installation_->clock, installation_->random, metrics_);
  CORBEL_TRY(tokens_, makeJwtVerifier(settings_.auth, directory, installation_->clock, *outbound_));
  backendTokens_ =
      makeBackendTokens(settings_.auth.backend, directory, installation_->clock, *outbound_);
  CORBEL_CHECK(checkAuthentication());
  // An issuer that cannot be reached now may be later; until then its tokens get 503.
  if (const auto fetched =
          tokens_->fetchKeys(Deadline::after(installation_->clock, kKeySetDeadline));
      !fetched) {
    log::warn("app", "an issuer's keys could not be fetched",
              {{"detail", fetched.error().message}});
  }
  keyRefresh_ = std::make_unique<exec::Periodic>(kRefreshEvery, [this] {
    tokens_->refreshKeys(Deadline::after(installation_->clock, kKeySetDeadline));
  });
  return {};
}

// A server that the network can reach must not be one whose only key lies in a file that nobody has
// read yet.
Result<void> App::checkAuthentication() {
  const auto& auth = settings_.auth;
  const bool hasIssuers =
      !auth.issuers.empty() || !auth.jwtSecret.reveal().empty() || !auth.backend.url.empty();
  if (config::isLoopback(settings_.server.host) || hasIssuers) return {};
  if (installation_->keys->anyUsable()) return {};
  const auto someUser =
      installation_->database->read(identity::hasUsers, startDeadline(installation_->clock));
  if (someUser && *someUser) return {};
  return fail(ErrorCode::failedPrecondition,
              "setting server.host: " + settings_.server.host +
                  " can be reached from outside, and there is no key that is valid now, no user "
                  "and no issuer of tokens. Make a key with `corbel key create` or a user with "
                  "`corbel user add`, set auth.jwtSecret, auth.issuers or auth.backend.url, or use "
                  "127.0.0.1.");
}

}  // namespace corbel::app
