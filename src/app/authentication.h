// From the auth settings to issuers of tokens.
#pragma once
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"
#include "identity/directory.h"
#include "identity/jwt.h"

namespace corbel::app {

// JWT_SECRET alone makes an HS256 issuer. invalid_argument: a key cannot be read or does not fit;
// the message names the setting.
Result<std::unique_ptr<identity::JwtVerifier>> makeJwtVerifier(const config::AuthSettings& settings,
                                                               const identity::Directory& directory,
                                                               const Clock& clock);

}  // namespace corbel::app
