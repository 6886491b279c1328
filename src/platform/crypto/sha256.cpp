#include "crypto/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

#include "crypto/encoding.h"

namespace corbel::crypto {
namespace {

void require(bool done) {
  if (!done) std::abort();
}

// EVP_sha256() would make every EVP_DigestInit_ex look the algorithm up again under a lock; a
// fetched one does not.
const EVP_MD* algorithm() {
  static const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> fetched(
      EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free);
  require(fetched != nullptr);
  return fetched.get();
}

}  // namespace

struct Sha256::Context {
  Context() : evp(EVP_MD_CTX_new(), &EVP_MD_CTX_free) { restart(); }
  void restart() { require(EVP_DigestInit_ex2(evp.get(), algorithm(), nullptr) == 1); }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> evp;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_->evp.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  require(EVP_DigestFinal_ex(context_->evp.get(), reinterpret_cast<unsigned char*>(digest.data()),
                             nullptr) == 1);
  context_->restart();
  return digest;
}

Sha256Digest sha256(std::span<const std::byte> bytes) {
  thread_local Sha256 reused;
  reused.update(bytes);
  return reused.finish();
}

std::string hex(const Sha256Digest& digest) { return toHex(digest); }

}  // namespace corbel::crypto
