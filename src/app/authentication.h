// From the auth settings to issuers of tokens.
#pragma once
#include <memory>

#include "app/outbound.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"
#include "identity/directory.h"
#include "identity/jwt.h"

namespace corbel::app {

// JWT_SECRET alone makes an HS256 issuer. Key sets are fetched through a dependency of `outbound`,
// named as their setting. invalid_argument: a key cannot be read or does not fit;
// the message names the setting.
Result<std::unique_ptr<identity::JwtVerifier>> makeJwtVerifier(const config::AuthSettings& settings,
                                                               const identity::Directory& directory,
                                                               const Clock& clock,
                                                               Outbound& outbound);

}  // namespace corbel::app
