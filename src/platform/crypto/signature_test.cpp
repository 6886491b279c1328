#include "crypto/signature.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "crypto/encoding.h"

namespace corbel::crypto {
namespace {

std::string url(std::string_view text) { return fromBase64Url(text).value(); }

// RFC 7515, appendix A: the same message under HS256, RS256 and ES256.
constexpr std::string_view kClaims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";
constexpr std::string_view kRfcModulus =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
    "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
    "pCgNMsD1W_"
    "YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
    "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv"
    "b3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
    "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
constexpr std::string_view kRfcEs256Signature =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

EcPublicKey rfcEcKey() {
  return EcPublicKey::fromPoint(Curve::p256, url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"))
      .value();
}

TEST(Signature, AcceptsTheHs256ExampleOfRfc7515) {
  const auto key = HmacKey::fromSecret(url(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"));
  const auto verifier = Verifier::bind(SignatureAlgorithm::hs256, key.value()).value();
  const std::string message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + std::string(kClaims);
  EXPECT_TRUE(verifier.verify(message, url("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")));
  EXPECT_FALSE(verifier.verify(message + "x", url("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")));
  EXPECT_FALSE(verifier.verify(message, ""));
}

TEST(Signature, AcceptsTheRs256ExampleOfRfc7515) {
  const auto key = RsaPublicKey::fromNumbers(url(kRfcModulus), url("AQAB"));
  const auto verifier = Verifier::bind(SignatureAlgorithm::rs256, key.value()).value();
  const std::string message = "eyJhbGciOiJSUzI1NiJ9." + std::string(kClaims);
  const std::string signature =
      url("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
          "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQ"
          "jbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
          "eSN9383LcOLn6_dO--"
          "xi12jzDwusC-eOkHWEsqtFZES"
          "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
          "IoypGlUPQGe77Rw");
  EXPECT_TRUE(verifier.verify(message, signature));
  EXPECT_FALSE(verifier.verify(message, signature.substr(1)));
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::ps256, key.value())->verify(message, signature));
}

TEST(Signature, AcceptsTheEs256ExampleOfRfc7515) {
  const auto verifier = Verifier::bind(SignatureAlgorithm::es256, rfcEcKey()).value();
  const std::string message = "eyJhbGciOiJFUzI1NiJ9." + std::string(kClaims);
  EXPECT_TRUE(verifier.verify(message, url(kRfcEs256Signature)));
  EXPECT_FALSE(verifier.verify("x" + message, url(kRfcEs256Signature)));
}

TEST(Signature, AcceptsTheEdDsaExampleOfRfc8037) {
  const auto key = Ed25519PublicKey::fromBytes(url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
  const auto verifier = Verifier::bind(SignatureAlgorithm::edDsa, key.value()).value();
  const std::string signature =
      url("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  EXPECT_TRUE(
      verifier.verify("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", signature));
  EXPECT_FALSE(
      verifier.verify("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd", signature));
}

// A key pair made for one test.
struct KeyPair {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey;

  std::string publicPem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_PUBKEY(bio.get(), pkey.get());
    char* begin = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &begin);
    return {begin, static_cast<std::size_t>(length)};
  }

  std::string sign(const EVP_MD* digest, std::string_view message, int pssSalt = 0) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free);
    EVP_PKEY_CTX* keyContext = nullptr;
    EVP_DigestSignInit(context.get(), &keyContext, digest, nullptr, pkey.get());
    if (pssSalt > 0) {
      EVP_PKEY_CTX_set_rsa_padding(keyContext, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(keyContext, pssSalt);
    }
    std::string signature(1024, '\0');
    std::size_t length = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                   reinterpret_cast<const unsigned char*>(message.data()), message.size());
    signature.resize(length);
    return signature;
  }
};

KeyPair anRsaKey(int bits) { return {{EVP_RSA_gen(static_cast<unsigned>(bits)), &EVP_PKEY_free}}; }
KeyPair anEcKey(const char* curve) {
  return {{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve), &EVP_PKEY_free}};
}

TEST(Signature, AcceptsPs256OnlyWithASaltAsLongAsTheDigest) {
  const KeyPair pair = anRsaKey(2048);
  const auto verifier =
      Verifier::bind(SignatureAlgorithm::ps256,
                     publicKeyFromPem(SignatureAlgorithm::ps256, pair.publicPem()).value())
          .value();
  EXPECT_TRUE(verifier.verify("message", pair.sign(EVP_sha256(), "message", 32)));
  EXPECT_FALSE(verifier.verify("message", pair.sign(EVP_sha256(), "message", 20)));
  EXPECT_FALSE(verifier.verify("message", pair.sign(EVP_sha256(), "message")));
}

TEST(Signature, RefusesEcdsaSignaturesThatAreNotRAndSAtFullLength) {
  const auto verifier = Verifier::bind(SignatureAlgorithm::es256, rfcEcKey()).value();
  const std::string message = "eyJhbGciOiJFUzI1NiJ9." + std::string(kClaims);
  const std::string good = url(kRfcEs256Signature);
  EXPECT_FALSE(verifier.verify(message, std::string(64, '\0')));
  EXPECT_FALSE(verifier.verify(message, std::string(32, '\0') + good.substr(32)));
  EXPECT_FALSE(verifier.verify(message, good.substr(0, 32) + std::string(32, '\0')));
  EXPECT_FALSE(verifier.verify(message, std::string(64, '\xff')));
  EXPECT_FALSE(verifier.verify(message, '\0' + good.substr(0, 32) + '\0' + good.substr(32)));
}

TEST(Signature, RefusesEcdsaSignaturesInDer) {
  const KeyPair pair = anEcKey("P-256");
  const auto verifier =
      Verifier::bind(SignatureAlgorithm::es256, EcPublicKey::fromPem(pair.publicPem()).value())
          .value();
  EXPECT_FALSE(verifier.verify("message", pair.sign(EVP_sha256(), "message")));
}

TEST(Signature, BindsAKeyOnlyToAlgorithmsOfItsType) {
  const VerificationKey secret = HmacKey::fromSecret(std::string(32, 'k')).value();
  const VerificationKey rsa = RsaPublicKey::fromNumbers(url(kRfcModulus), url("AQAB")).value();
  const VerificationKey ec = rfcEcKey();
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::rs256, secret).has_value());
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::hs256, rsa).has_value());
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::es256, rsa).has_value());
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::edDsa, ec).has_value());
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::es384, ec).has_value());
  EXPECT_TRUE(Verifier::bind(SignatureAlgorithm::es256, ec).has_value());
}

TEST(HmacKey, RefusesWeakSecrets) {
  EXPECT_FALSE(HmacKey::fromSecret(std::string(31, 'k')).has_value());
  EXPECT_FALSE(
      HmacKey::fromSecret("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")
          .has_value());
  const VerificationKey short512 = HmacKey::fromSecret(std::string(63, 'k')).value();
  EXPECT_FALSE(Verifier::bind(SignatureAlgorithm::hs512, short512).has_value());
}

TEST(RsaPublicKey, RefusesNumbersOutsideTheAllowedSizes) {
  EXPECT_FALSE(RsaPublicKey::fromPem(anRsaKey(1024).publicPem()).has_value());
  const std::string modulus = url(kRfcModulus);
  EXPECT_FALSE(RsaPublicKey::fromNumbers(modulus.substr(1), url("AQAB")).has_value());
  EXPECT_FALSE(RsaPublicKey::fromNumbers(std::string(1025, '\xff'), url("AQAB")).has_value());
  EXPECT_FALSE(RsaPublicKey::fromNumbers(std::string(100'000, '\xff'), url("AQAB")).has_value());
  for (const std::string_view exponent :
       {std::string_view(""), std::string_view("\x01"), std::string_view("\x02"),
        std::string_view("\0\0", 2), std::string_view("\x01\0\0\0\x01", 5)}) {
    EXPECT_FALSE(RsaPublicKey::fromNumbers(modulus, exponent).has_value())
        << toHex(bytesOf(exponent));
  }
}

TEST(EcPublicKey, RefusesPointsOffTheCurve) {
  EXPECT_FALSE(EcPublicKey::fromPoint(Curve::p256, std::string(32, '\1'), std::string(32, '\2'))
                   .has_value());
  EXPECT_FALSE(EcPublicKey::fromPoint(Curve::p256, std::string(32, '\0'), std::string(32, '\0'))
                   .has_value());
  EXPECT_FALSE(EcPublicKey::fromPoint(Curve::p384, std::string(32, '\1'), std::string(32, '\2'))
                   .has_value());
  EXPECT_FALSE(EcPublicKey::fromPem(anEcKey("P-521").publicPem()).has_value());
  EXPECT_TRUE(EcPublicKey::fromPem(anEcKey("P-384").publicPem()).has_value());
}

TEST(PublicKeyFromPem, RefusesTextsThatAreNoKeyOfTheType) {
  EXPECT_FALSE(publicKeyFromPem(SignatureAlgorithm::rs256, "").has_value());
  EXPECT_FALSE(publicKeyFromPem(SignatureAlgorithm::rs256,
                                "-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----")
                   .has_value());
  EXPECT_FALSE(
      publicKeyFromPem(SignatureAlgorithm::rs256, anEcKey("P-256").publicPem()).has_value());
  EXPECT_FALSE(
      publicKeyFromPem(SignatureAlgorithm::edDsa, anEcKey("P-256").publicPem()).has_value());
  EXPECT_FALSE(
      publicKeyFromPem(SignatureAlgorithm::hs256, anEcKey("P-256").publicPem()).has_value());
}

TEST(SignatureAlgorithm, IsNamedExactly) {
  EXPECT_EQ(signatureAlgorithm("EdDSA"), SignatureAlgorithm::edDsa);
  EXPECT_EQ(name(SignatureAlgorithm::ps256), "PS256");
  for (const std::string_view wrong : {"none", "None", "hs256", "HS256 ", "", "RS1"}) {
    EXPECT_EQ(signatureAlgorithm(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace corbel::crypto
