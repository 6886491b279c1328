// Makes tokens for tests, good ones and every kind of bad one.
#pragma once
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "crypto/encoding.h"
#include "crypto/signature.h"

namespace corbel::identity {

inline std::string url(std::string_view text) { return crypto::toBase64Url(crypto::bytesOf(text)); }

// A private key of one algorithm.
class SigningKey {
 public:
  static SigningKey rsa() { return SigningKey(EVP_RSA_gen(2048)); }
  static SigningKey ec(const char* curve = "P-256") {
    return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
  }
  static SigningKey ed25519() { return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

  std::string publicPem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_PUBKEY(bio.get(), pkey_.get());
    return content(bio.get());
  }
  std::string publicDer() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    i2d_PUBKEY_bio(bio.get(), pkey_.get());
    return content(bio.get());
  }
  std::string jwk(std::string_view more) const {
    switch (EVP_PKEY_get_base_id(pkey_.get())) {
      case EVP_PKEY_RSA:
        return fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"{}}})",
                           url(number(OSSL_PKEY_PARAM_RSA_N)), url(number(OSSL_PKEY_PARAM_RSA_E)),
                           more);
      case EVP_PKEY_EC:
        return fmt::format(R"({{"kty":"EC","crv":"P-256","x":"{}","y":"{}"{}}})",
                           url(number(OSSL_PKEY_PARAM_EC_PUB_X)),
                           url(number(OSSL_PKEY_PARAM_EC_PUB_Y)), more);
      default: {
        std::string raw(32, '\0');
        std::size_t length = raw.size();
        EVP_PKEY_get_raw_public_key(pkey_.get(), reinterpret_cast<unsigned char*>(raw.data()),
                                    &length);
        return fmt::format(R"({{"kty":"OKP","crv":"Ed25519","x":"{}"{}}})", url(raw), more);
      }
    }
  }

  // As OpenSSL makes it: ECDSA in DER.
  std::string sign(std::string_view message, crypto::SignatureAlgorithm algorithm) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free);
    EVP_PKEY_CTX* key = nullptr;
    const bool plain = algorithm == crypto::SignatureAlgorithm::edDsa;
    EVP_DigestSignInit(context.get(), &key, plain ? nullptr : EVP_sha256(), nullptr, pkey_.get());
    if (algorithm == crypto::SignatureAlgorithm::ps256) {
      EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string signature(1024, '\0');
    std::size_t length = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                   reinterpret_cast<const unsigned char*>(message.data()), message.size());
    signature.resize(length);
    return signature;
  }

 private:
  explicit SigningKey(EVP_PKEY* owned) : pkey_(owned, &EVP_PKEY_free) {}
  static std::string content(BIO* bio) {
    char* begin = nullptr;
    const long length = BIO_get_mem_data(bio, &begin);
    return {begin, static_cast<std::size_t>(length)};
  }
  std::string number(const char* parameter) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(pkey_.get(), parameter, &value);
    const bool isCoordinate = EVP_PKEY_get_base_id(pkey_.get()) == EVP_PKEY_EC;
    std::string bytes(isCoordinate ? 32 : static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    BN_free(value);
    return bytes;
  }

  std::shared_ptr<EVP_PKEY> pkey_;
};

// r || s of an ECDSA signature in DER.
inline std::string rawOf(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
  std::string raw(64, '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), reinterpret_cast<unsigned char*>(raw.data()), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), reinterpret_cast<unsigned char*>(raw.data()) + 32, 32);
  return raw;
}

inline std::string unsignedPart(std::string_view header, std::string_view payload) {
  return url(header) + "." + url(payload);
}

inline std::string hmacToken(std::string_view header, std::string_view payload,
                             std::string_view secret) {
  const std::string part = unsignedPart(header, payload);
  unsigned char tag[32];
  EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, secret.data(), secret.size(),
            reinterpret_cast<const unsigned char*>(part.data()), part.size(), tag, sizeof(tag),
            nullptr);
  return part + "." + url({reinterpret_cast<const char*>(tag), sizeof(tag)});
}

inline std::string keyToken(std::string_view header, std::string_view payload,
                            const SigningKey& key, crypto::SignatureAlgorithm algorithm) {
  const std::string part = unsignedPart(header, payload);
  const std::string signature = key.sign(part, algorithm);
  return part + "." +
         url(algorithm == crypto::SignatureAlgorithm::es256 ? rawOf(signature) : signature);
}

}  // namespace corbel::identity
