#include "token.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "crypto/encoding.h"
#include "identity/jwt.h"

namespace corbel::identity {
namespace {

constexpr std::size_t kMaxKid = 256;

// crit, b64: extensions that change what is signed, none of which is known here. jku, x5u, jwk,
// x5c: the token's own idea of the key. enc, zip, cty: encrypted, compressed or nested content.
constexpr std::array<std::string_view, 9> kForbidden = {"crit", "b64", "jku", "x5u", "jwk",
                                                        "x5c",  "enc", "zip", "cty"};

Result<StrictJson> decodeObject(std::string_view part, std::string_view what) {
  auto text = crypto::fromBase64Url(part);
  if (!text) return tokenRefused(std::string(what) + " is not base64url");
  auto object = StrictJson::parse(*std::move(text));
  if (!object) return tokenRefused(std::string(what) + " is no JSON object with unique names");
  return *std::move(object);
}

Result<void> readHeader(const StrictJson& header, Token& token) {
  for (const std::string_view name : kForbidden) {
    if (header.has(name)) return tokenRefused("the header has " + std::string(name));
  }
  const auto algorithm = header.text("alg");
  if (!algorithm) return tokenRefused("the header has no alg");
  token.algorithm = *algorithm;
  if (header.has("kid")) {
    const auto kid = header.text("kid");
    if (!kid || kid->empty() || kid->size() > kMaxKid)
      return tokenRefused("kid is no text of 1 to 256 bytes");
    token.kid = *kid;
  }
  if (!header.has("typ")) return {};
  const auto type = header.text("typ");
  // RFC 7519, 5.1 and RFC 9068, 2.1: compared without regard to case; other types are tokens for
  // another purpose.
  if (type && (equalsIgnoringCase(*type, "JWT") || equalsIgnoringCase(*type, "at+jwt"))) return {};
  return tokenRefused("typ is not JWT");
}

}  // namespace

std::unexpected<Error> tokenRefused(std::string_view reason) {
  return fail(ErrorCode::unauthenticated, "The token is not valid.",
              "token: " + std::string(reason));
}

Result<Token> parseToken(std::string_view text) {
  if (text.size() > kMaxTokenBytes) return tokenRefused("longer than 8 KiB");
  if (std::ranges::count(text, '.') != 2) return tokenRefused("not three parts");
  std::string_view rest = text;
  const std::string_view headerPart = takeUntil(rest, '.');
  const std::string_view payloadPart = takeUntil(rest, '.');
  if (rest.empty()) return tokenRefused("no signature");
  CORBEL_TRY(const StrictJson header, decodeObject(headerPart, "the header"));
  CORBEL_TRY(StrictJson claims, decodeObject(payloadPart, "the payload"));
  auto signature = crypto::fromBase64Url(rest);
  if (!signature) return tokenRefused("the signature is not base64url");
  Token token{.signedPart = text.substr(0, headerPart.size() + 1 + payloadPart.size()),
              .signature = *std::move(signature),
              .algorithm = {},
              .kid = {},
              .claims = std::move(claims)};
  CORBEL_CHECK(readHeader(header, token));
  return token;
}

}  // namespace corbel::identity
