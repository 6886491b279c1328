// From what a token says to who calls.
#pragma once
#include "claims.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/jwt.h"

namespace corbel::identity {

// Of the issuer, its name and its standards for what the claims leave open are used. Tenants that
// do not exist are left out.
PrincipalRef principalOf(const Claims& claims, const IssuerConfig& issuer,
                         const Directory& directory);

}  // namespace corbel::identity
