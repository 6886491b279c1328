// What a new key may do: what was asked for, within what its maker may do.
#pragma once
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "identity/api_keys.h"
#include "identity/directory.h"
#include "identity/identity.h"

namespace corbel::identity {

struct KeyGrant {
  std::string role = {};  // built-in and kept by name, else empty
  PermissionSet permissions = {};
  KeyLimits limits = {};
  std::optional<Timestamp> expiresAt = {};
};

// Errors: see ApiKeys::create.
Result<KeyGrant> grantFor(const NewApiKey& key, const Actor& by, const Directory& directory,
                          Timestamp now);

// permission_denied: the key has wider limits than the actor, or lives longer.
Result<void> checkBounds(const ApiKey& key, const Actor& by);

}  // namespace corbel::identity
