// What a token says about its bearer. Only of tokens whose signature was found good.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/jwt.h"
#include "strict_json.h"

namespace corbel::identity {

struct Claims {
  // NOLINTBEGIN(readability-redundant-member-init): so that initializers may leave them out
  std::string user = {};
  std::string name = {};
  std::optional<std::vector<std::string>> roles = {};
  std::optional<std::vector<std::string>> tenants = {};
  Timestamp expiresAt = {};
  // NOLINTEND(readability-redundant-member-init)
};

// unauthenticated: times that are missing, no whole numbers, or say that the token is not valid
// now; a foreign issuer or audience; a missing required claim; claims of the wrong type.
Result<Claims> readClaims(const StrictJson& json, const IssuerConfig& issuer, Timestamp now);

// What a backend said about a token that it found good: the members of the first object among
// "user", "data.user" and "data", else of the whole answer. Nothing: it says that the token is not
// (`valid`, `active`, `success` or `authenticated` is false, in the answer or in "data"). Without
// `exp` expiresAt is the end of time. Errors: as readClaims, of an answer that makes no sense.
Result<std::optional<Claims>> readVerified(const StrictJson& answer, const ClaimMap& map);

}  // namespace corbel::identity
