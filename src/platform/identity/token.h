// The form of a signed token (JWS compact serialisation, RFC 7515), before anything in it is
// believed.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "strict_json.h"

namespace corbel::identity {

struct Token {
  std::string_view signedPart;  // header.payload, as sent
  std::string signature;
  std::string algorithm;           // as the header claims
  std::optional<std::string> kid;  // of the key, as the header claims
  StrictJson claims;
};

// unauthenticated, for everything that is not a plain signed token: encrypted or nested ones,
// critical extensions, keys that the token brings along, a `typ` that is not JWT or at+jwt. The
// detail says what.
Result<Token> parseToken(std::string_view text);

// The answer for every token that proves nobody; `reason` is for the log.
std::unexpected<Error> tokenRefused(std::string_view reason);

}  // namespace corbel::identity
