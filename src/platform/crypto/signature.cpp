#include "crypto/signature.h"

#include <fmt/format.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "crypto/encoding.h"
#include "public_key.h"

namespace corbel::crypto {
namespace {

using enum SignatureAlgorithm;

struct NamedAlgorithm {
  SignatureAlgorithm algorithm;
  std::string_view name;
};
constexpr std::array kAlgorithms = {NamedAlgorithm{hs256, "HS256"}, NamedAlgorithm{hs384, "HS384"},
                                    NamedAlgorithm{hs512, "HS512"}, NamedAlgorithm{rs256, "RS256"},
                                    NamedAlgorithm{ps256, "PS256"}, NamedAlgorithm{es256, "ES256"},
                                    NamedAlgorithm{es384, "ES384"}, NamedAlgorithm{edDsa, "EdDSA"}};

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Ed25519 hashes by itself.
const EVP_MD* digestOf(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case hs256:
    case rs256:
    case ps256:
    case es256:
      return EVP_sha256();
    case hs384:
    case es384:
      return EVP_sha384();
    case hs512:
      return EVP_sha512();
    case edDsa:
      return nullptr;
  }
  std::unreachable();
}

std::size_t digestBytes(SignatureAlgorithm algorithm) {
  return static_cast<std::size_t>(EVP_MD_get_size(digestOf(algorithm)));
}

bool isHmac(SignatureAlgorithm algorithm) {
  return algorithm == hs256 || algorithm == hs384 || algorithm == hs512;
}

bool usePss(EVP_PKEY_CTX* context) {
  // RFC 7518, 3.5: MGF1 with the same hash (the default), the salt as long as the digest.
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool verifyWithOpenSsl(const detail::OpenSslKey& key, SignatureAlgorithm algorithm,
                       std::string_view message, std::string_view signature) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  EVP_PKEY_CTX* keyContext = nullptr;
  const bool good = EVP_DigestVerifyInit(context.get(), &keyContext, digestOf(algorithm), nullptr,
                                         key.pkey.get()) == 1 &&
                    (algorithm != ps256 || usePss(keyContext)) &&
                    EVP_DigestVerify(context.get(), octets(signature), signature.size(),
                                     octets(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

// r || s as OpenSSL wants it: DER. Nothing: wrong length, r = 0 or s = 0 (values above the curve's
// order fail in OpenSSL).
std::string derOf(std::string_view signature, Curve curve) {
  const std::size_t half = curve == Curve::p256 ? 32 : 48;
  if (signature.size() != 2 * half) return {};
  BIGNUM* r = BN_bin2bn(octets(signature), static_cast<int>(half), nullptr);
  BIGNUM* s = BN_bin2bn(octets(signature.substr(half)), static_cast<int>(half), nullptr);
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(),
                                                                   &ECDSA_SIG_free);
  if (r == nullptr || s == nullptr || pair == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1)
    std::abort();
  if (BN_is_zero(r) != 0 || BN_is_zero(s) != 0) return {};
  std::array<unsigned char, 128> der;  // two integers of at most 49 bytes and their headers
  unsigned char* end = der.data();
  const int length = i2d_ECDSA_SIG(pair.get(), &end);
  return length <= 0 ? std::string()
                     : std::string(reinterpret_cast<const char*>(der.data()),
                                   static_cast<std::size_t>(length));
}

bool fits(SignatureAlgorithm algorithm, const VerificationKey& key) {
  if (isHmac(algorithm)) return std::holds_alternative<HmacKey>(key);
  if (algorithm == rs256 || algorithm == ps256) return std::holds_alternative<RsaPublicKey>(key);
  if (algorithm == edDsa) return std::holds_alternative<Ed25519PublicKey>(key);
  const auto* ec = std::get_if<EcPublicKey>(&key);
  return ec != nullptr && ec->curve() == (algorithm == es256 ? Curve::p256 : Curve::p384);
}

}  // namespace

std::string_view name(SignatureAlgorithm algorithm) {
  return std::ranges::find(kAlgorithms, algorithm, &NamedAlgorithm::algorithm)->name;
}

std::optional<SignatureAlgorithm> signatureAlgorithm(std::string_view name) {
  const auto found = std::ranges::find(kAlgorithms, name, &NamedAlgorithm::name);
  if (found == kAlgorithms.end()) return std::nullopt;
  return found->algorithm;
}

Result<HmacKey> HmacKey::fromSecret(std::string_view secret) {
  if (secret.size() < kMinBytes) {
    return fail(
        ErrorCode::invalidArgument,
        fmt::format("secret: must have at least {} bytes, it has {}", kMinBytes, secret.size()));
  }
  if (secret.find("-----BEGIN") != std::string_view::npos) {
    return fail(ErrorCode::invalidArgument,
                "secret: must not be a PEM key; configure a public key with its own algorithm");
  }
  return HmacKey(secret);
}

std::string HmacKey::sign(SignatureAlgorithm algorithm, std::string_view message) const {
  std::string tag(digestBytes(algorithm), '\0');
  unsigned length = 0;
  if (HMAC(digestOf(algorithm), secret_.data(), static_cast<int>(secret_.size()), octets(message),
           message.size(), reinterpret_cast<unsigned char*>(tag.data()), &length) == nullptr) {
    std::abort();
  }
  return tag;
}

Result<Verifier> Verifier::bind(SignatureAlgorithm algorithm, VerificationKey key) {
  if (!fits(algorithm, key)) {
    return fail(ErrorCode::invalidArgument,
                fmt::format("key: is of another type than {} needs", name(algorithm)));
  }
  const auto* secret = std::get_if<HmacKey>(&key);
  if (secret != nullptr && secret->size() < digestBytes(algorithm)) {
    return fail(ErrorCode::invalidArgument,
                fmt::format("secret: {} needs at least {} bytes, it has {}", name(algorithm),
                            digestBytes(algorithm), secret->size()));
  }
  return Verifier(algorithm, std::move(key));
}

bool Verifier::verify(std::string_view message, std::string_view signature) const {
  return std::visit([&](const auto& key) { return check(key, message, signature); }, key_);
}

bool Verifier::check(const HmacKey& key, std::string_view message,
                     std::string_view signature) const {
  return equalInConstantTime(bytesOf(key.sign(algorithm_, message)), bytesOf(signature));
}

bool Verifier::check(const RsaPublicKey& key, std::string_view message,
                     std::string_view signature) const {
  return verifyWithOpenSsl(*key.key_, algorithm_, message, signature);
}

bool Verifier::check(const EcPublicKey& key, std::string_view message,
                     std::string_view signature) const {
  const std::string der = derOf(signature, key.curve());
  return !der.empty() && verifyWithOpenSsl(*key.key_, algorithm_, message, der);
}

bool Verifier::check(const Ed25519PublicKey& key, std::string_view message,
                     std::string_view signature) const {
  return verifyWithOpenSsl(*key.key_, algorithm_, message, signature);
}

}  // namespace corbel::crypto
