// JSON Web Tokens (RFC 7519) of configured issuers, checked as RFC 8725 asks: the algorithm belongs
// to the issuer's key, the token's header only says which of the keys.
#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "crypto/signature.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/jwks.h"

namespace corbel::identity {

// Longer tokens are refused unread.
inline constexpr std::size_t kMaxTokenBytes = std::size_t{8} * 1024;

// Where a token says who its bearer is: the name of a claim, or a JSON pointer (RFC 6901) such as
// "/realm_access/roles".
struct ClaimMap {
  std::string user = {};            // empty: "sub", else "id". A text, or a whole number
  std::string roles = "roles";      // a list of texts, or one text with spaces between roles
  std::string tenants = "tenants";  // the same
};

using IssuerKeys = std::variant<crypto::VerificationKey, std::shared_ptr<JwksSource>>;

struct IssuerConfig {
  static constexpr std::chrono::seconds kMaxLeeway{60};

  std::string iss = {};                     // empty: not checked
  std::vector<std::string> audiences = {};  // one of them must be in `aud`; empty: not checked
  crypto::SignatureAlgorithm algorithm = crypto::SignatureAlgorithm::hs256;
  IssuerKeys keys;
  std::chrono::seconds leeway{30};               // for the difference of clocks
  std::vector<std::string> requiredClaims = {};  // beside exp and the user, which always are
  ClaimMap claims = {};
  std::string defaultRole = "viewer";  // of tokens without the roles claim; empty: none
  std::string defaultTenant = std::string(kDefaultTenant);  // of tokens without the tenants claim
};

struct JwtOptions {
  std::chrono::seconds cacheFor{60};  // and never longer than the token is valid
  std::size_t cacheBytes = std::size_t{8} * 1024 * 1024;
};

// A fetched key set as it is now.
struct KeySetState {
  std::optional<std::chrono::seconds> age = {};  // of the keys in use; none: there are none
  std::optional<Error> failure = {};             // of the last attempt; none: it went well
  std::chrono::seconds untilNextAttempt{0};      // earlier ones are not made; 0: now
};

struct Token;

// Thread-safe.
//
// A token that was found good is remembered by the SHA-256 of its whole text. A bad one is not
// remembered. Key sets are fetched when first needed, after 10 minutes, and for an unknown key id,
// but never within 30 s of the last attempt; one that cannot be renewed is used for 24 h, and every
// failed attempt that a caller waited for is a warning in the log. One thread at a time fetches,
// whatever the number of issuers; others that need a key meanwhile are told at once that it is
// unavailable.
class JwtVerifier {
 public:
  // `directory` and `clock` must outlive it.
  // invalid_argument: an issuer is wrong; the message names it by its position
  // ("/issuers/0/leeway") and what is allowed. Two without `iss` are wrong, too.
  static Result<std::unique_ptr<JwtVerifier>> make(std::vector<IssuerConfig> issuers,
                                                   const Directory& directory, const Clock& clock,
                                                   JwtOptions options = {});
  ~JwtVerifier();

  // Whose token it is, without I/O. Nothing: keys have to be fetched first; verify() does that.
  // unauthenticated: the token proves nobody; the detail says why. unavailable: the issuer's keys
  // cannot be had now.
  std::optional<Result<PrincipalRef>> tryVerify(std::string_view token);
  // The same; may fetch keys and wait for that, so never on a network thread.
  Result<PrincipalRef> verify(std::string_view token, Deadline deadline);

  // Whether the token is one for the issuers here to judge: its `iss` names one of them, or one
  // without a name signs with its algorithm; also one that is too long for anybody. Other tokens
  // may be somebody else's.
  bool claims(std::string_view token) const;

  // Fetches every key set, for the start. The first error; the others were fetched nevertheless.
  Result<void> fetchKeys(Deadline deadline);

  // Called about every second on a thread that may wait: renews key sets before they are old, and
  // tries every 2 s to get those that could not be had.
  void refreshKeys(Deadline deadline);

  // Of the issuer at that place of the list it was made of. Fetches where the keys are old or
  // missing and an attempt may be made; waits for that. Nothing: its keys are not fetched.
  std::optional<KeySetState> keySet(std::size_t issuer, Deadline deadline);

 private:
  class Issuer;
  JwtVerifier(const Directory& directory, const Clock& clock, JwtOptions options);
  std::optional<Result<PrincipalRef>> check(std::string_view text,
                                            std::optional<Deadline> deadline);
  Result<PrincipalRef> accept(const Token& token, const IssuerConfig& config,
                              const crypto::Sha256Digest& digest);

  struct State;
  const std::unique_ptr<State> state_;
};

// What the setting JWT_SECRET alone means: HS256 tokens of any issuer.
// invalid_argument: the secret is too short.
Result<IssuerConfig> issuerOfSecret(std::string_view secret);

}  // namespace corbel::identity
