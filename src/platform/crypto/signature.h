// Checks signatures. A key is of one type and bound to one algorithm before it sees a message, so
// that no message can choose how it is checked (RFC 8725, 3.1). The names of the algorithms are
// those of RFC 7518 and RFC 8037.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace corbel::crypto {

enum class SignatureAlgorithm : std::uint8_t {
  hs256,
  hs384,
  hs512,
  rs256,
  ps256,
  es256,
  es384,
  edDsa
};

// "HS256", …, "EdDSA"
std::string_view name(SignatureAlgorithm algorithm);
// Exactly as name() spells it, else nothing.
std::optional<SignatureAlgorithm> signatureAlgorithm(std::string_view name);

// A shared secret.
class HmacKey {
 public:
  // RFC 7518, 3.2: no shorter than the digest; SHA-256 has the shortest.
  static constexpr std::size_t kMinBytes = 32;
  // invalid_argument: fewer than 32 bytes, or a PEM text: whoever configures a public key as a
  // secret lets everybody sign.
  static Result<HmacKey> fromSecret(std::string_view secret);

  std::size_t size() const { return secret_.size(); }
  // `algorithm` is one of hs256, hs384, hs512.
  std::string sign(SignatureAlgorithm algorithm, std::string_view message) const;

 private:
  explicit HmacKey(std::string_view secret) : secret_(secret) {}
  std::string secret_;
};

// The public keys are made once and shared; copies are cheap, use is thread-safe.
// All of them: invalid_argument, when the text or the numbers are no key of this type; the message
// says what is allowed.
namespace detail {
struct OpenSslKey;
using OpenSslKeyRef = std::shared_ptr<const OpenSslKey>;
}  // namespace detail

class RsaPublicKey {
 public:
  static constexpr int kMinBits = 2048;
  static constexpr int kMaxBits = 8192;
  // Odd and from 3 to 2^32 - 1: the time of a check grows with the exponent.
  // PEM "PUBLIC KEY" (SubjectPublicKeyInfo).
  static Result<RsaPublicKey> fromPem(std::string_view pem);
  // Big-endian numbers, as in a JWK's `n` and `e`.
  static Result<RsaPublicKey> fromNumbers(std::string_view modulus, std::string_view exponent);

 private:
  friend class Verifier;
  explicit RsaPublicKey(detail::OpenSslKeyRef key) : key_(std::move(key)) {}
  detail::OpenSslKeyRef key_;
};

enum class Curve : std::uint8_t { p256, p384 };

class EcPublicKey {
 public:
  static Result<EcPublicKey> fromPem(std::string_view pem);
  // Big-endian coordinates of the field's full length, as in a JWK's `x` and `y`. The point must
  // lie on the curve.
  static Result<EcPublicKey> fromPoint(Curve curve, std::string_view x, std::string_view y);

  Curve curve() const { return curve_; }

 private:
  friend class Verifier;
  EcPublicKey(Curve curve, detail::OpenSslKeyRef key) : curve_(curve), key_(std::move(key)) {}
  Curve curve_;
  detail::OpenSslKeyRef key_;
};

class Ed25519PublicKey {
 public:
  static Result<Ed25519PublicKey> fromPem(std::string_view pem);
  static Result<Ed25519PublicKey> fromBytes(std::string_view bytes);  // 32

 private:
  friend class Verifier;
  explicit Ed25519PublicKey(detail::OpenSslKeyRef key) : key_(std::move(key)) {}
  detail::OpenSslKeyRef key_;
};

using VerificationKey = std::variant<HmacKey, RsaPublicKey, EcPublicKey, Ed25519PublicKey>;

// A public key of the type that `algorithm` needs. invalid_argument: another type, or an HMAC
// algorithm.
Result<VerificationKey> publicKeyFromPem(SignatureAlgorithm algorithm, std::string_view pem);

// A key with the one algorithm it is used with. Thread-safe, cheap to copy.
class Verifier {
 public:
  // invalid_argument: the algorithm needs another type of key, another curve or a longer secret.
  static Result<Verifier> bind(SignatureAlgorithm algorithm, VerificationKey key);

  SignatureAlgorithm algorithm() const { return algorithm_; }
  // Whether `signature` was made over `message`. ECDSA signatures are r || s at full length (RFC
  // 7518, 3.4), never DER.
  bool verify(std::string_view message, std::string_view signature) const;

 private:
  Verifier(SignatureAlgorithm algorithm, VerificationKey key)
      : algorithm_(algorithm), key_(std::move(key)) {}
  bool check(const HmacKey& key, std::string_view message, std::string_view signature) const;
  bool check(const RsaPublicKey& key, std::string_view message, std::string_view signature) const;
  bool check(const EcPublicKey& key, std::string_view message, std::string_view signature) const;
  bool check(const Ed25519PublicKey& key, std::string_view message,
             std::string_view signature) const;

  SignatureAlgorithm algorithm_;
  VerificationKey key_;
};

}  // namespace corbel::crypto
