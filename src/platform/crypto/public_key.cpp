#include "public_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <array>

namespace corbel::crypto {
namespace {

using detail::OpenSslKey;
using detail::OpenSslKeyRef;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

constexpr int kMaxExponentBits = 32;
constexpr std::size_t kMaxPemBytes = std::size_t{16} * 1024;

std::unexpected<Error> refuse(std::string message) {
  ERR_clear_error();  // OpenSSL keeps errors per thread: left there, they would be taken for those
                      // of a later TLS call
  return fail(ErrorCode::invalidArgument, std::move(message));
}

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Result<OpenSslKeyRef> readPem(std::string_view pem, int type, std::string_view what) {
  if (pem.size() > kMaxPemBytes) return refuse("key: is longer than 16 KiB");
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  auto key =
      std::make_shared<OpenSslKey>(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key->pkey)
    return refuse(
        fmt::format("key: must be a PEM text \"-----BEGIN PUBLIC KEY-----\" with {}", what));
  if (EVP_PKEY_get_base_id(key->pkey.get()) != type)
    return refuse(fmt::format("key: must be {}, it is of another type", what));
  return key;
}

OpenSslKeyRef fromParameters(const char* type, const OSSL_PARAM_BLD* builder) {
  const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(
      OSSL_PARAM_BLD_to_param(const_cast<OSSL_PARAM_BLD*>(builder)), &OSSL_PARAM_free);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), &EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return std::make_shared<OpenSslKey>(key);
}

using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
ParameterBuilder newBuilder() { return {OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free}; }

Number numberOf(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &number);
  return {number, &BN_free};
}

Result<void> checkRsa(const BIGNUM* modulus, const BIGNUM* exponent) {
  const int bits = modulus == nullptr ? 0 : BN_num_bits(modulus);
  if (bits < RsaPublicKey::kMinBits || bits > RsaPublicKey::kMaxBits || BN_is_odd(modulus) == 0) {
    return refuse(fmt::format("key: the RSA modulus must be odd and have {} to {} bits, it has {}",
                              RsaPublicKey::kMinBits, RsaPublicKey::kMaxBits, bits));
  }
  if (exponent == nullptr || BN_num_bits(exponent) > kMaxExponentBits || BN_is_odd(exponent) == 0 ||
      BN_is_one(exponent) != 0) {
    return refuse("key: the RSA exponent must be odd and from 3 to 4294967295");
  }
  return {};
}

std::optional<Curve> curveOf(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) return std::nullopt;
  const std::string_view name(group.data());
  if (name == "prime256v1" || name == "P-256") return Curve::p256;
  if (name == "secp384r1" || name == "P-384") return Curve::p384;
  return std::nullopt;
}

}  // namespace

Result<RsaPublicKey> RsaPublicKey::fromPem(std::string_view pem) {
  CORBEL_TRY(auto key, readPem(pem, EVP_PKEY_RSA, "an RSA public key"));
  const Number modulus = numberOf(key->pkey.get(), OSSL_PKEY_PARAM_RSA_N);
  const Number exponent = numberOf(key->pkey.get(), OSSL_PKEY_PARAM_RSA_E);
  CORBEL_CHECK(checkRsa(modulus.get(), exponent.get()));
  return RsaPublicKey(std::move(key));
}

Result<RsaPublicKey> RsaPublicKey::fromNumbers(std::string_view modulus,
                                               std::string_view exponent) {
  if (modulus.size() > kMaxBits / 8 + 1 || exponent.size() > kMaxBits / 8 + 1) {
    return refuse(fmt::format("key: the RSA numbers must have at most {} bits", kMaxBits));
  }
  const Number n(BN_bin2bn(octets(modulus), static_cast<int>(modulus.size()), nullptr), &BN_free);
  const Number e(BN_bin2bn(octets(exponent), static_cast<int>(exponent.size()), nullptr), &BN_free);
  CORBEL_CHECK(checkRsa(n.get(), e.get()));
  const auto builder = newBuilder();
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  auto key = fromParameters("RSA", builder.get());
  if (!key) return refuse("key: the numbers are no RSA key");
  return RsaPublicKey(std::move(key));
}

Result<EcPublicKey> EcPublicKey::fromPem(std::string_view pem) {
  CORBEL_TRY(auto key, readPem(pem, EVP_PKEY_EC, "an elliptic-curve public key on P-256 or P-384"));
  const auto curve = curveOf(key->pkey.get());
  if (!curve) return refuse("key: the curve must be P-256 or P-384");
  return EcPublicKey(*curve, std::move(key));
}

Result<EcPublicKey> EcPublicKey::fromPoint(Curve curve, std::string_view x, std::string_view y) {
  const std::size_t length = curve == Curve::p256 ? 32 : 48;
  if (x.size() != length || y.size() != length)
    return refuse(fmt::format("key: x and y must have {} bytes each", length));
  std::string point = "\x04";  // uncompressed (SEC 1, 2.3.3)
  point.append(x).append(y);
  const auto builder = newBuilder();
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                  curve == Curve::p256 ? "P-256" : "P-384", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  auto key = fromParameters("EC", builder.get());
  if (!key) return refuse("key: the point does not lie on the curve");
  return EcPublicKey(curve, std::move(key));
}

Result<Ed25519PublicKey> Ed25519PublicKey::fromPem(std::string_view pem) {
  CORBEL_TRY(auto key, readPem(pem, EVP_PKEY_ED25519, "an Ed25519 public key"));
  return Ed25519PublicKey(std::move(key));
}

Result<Ed25519PublicKey> Ed25519PublicKey::fromBytes(std::string_view bytes) {
  EVP_PKEY* key = bytes.size() != 32 ? nullptr
                                     : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                                                   octets(bytes), bytes.size());
  if (key == nullptr) return refuse("key: an Ed25519 public key has 32 bytes");
  return Ed25519PublicKey(std::make_shared<OpenSslKey>(key));
}

Result<VerificationKey> publicKeyFromPem(SignatureAlgorithm algorithm, std::string_view pem) {
  switch (algorithm) {
    case SignatureAlgorithm::rs256:
    case SignatureAlgorithm::ps256:
      return RsaPublicKey::fromPem(pem);
    case SignatureAlgorithm::es256:
    case SignatureAlgorithm::es384:
      return EcPublicKey::fromPem(pem);
    case SignatureAlgorithm::edDsa:
      return Ed25519PublicKey::fromPem(pem);
    case SignatureAlgorithm::hs256:
    case SignatureAlgorithm::hs384:
    case SignatureAlgorithm::hs512:
      break;
  }
  return refuse(fmt::format("key: {} takes a shared secret, not a public key", name(algorithm)));
}

}  // namespace corbel::crypto
