#include "crypto/aead.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <utility>

namespace corbel::crypto {
namespace {

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

void require(bool done) {
  if (!done) std::abort();
}

const unsigned char* in(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* out(std::string& text, std::size_t at) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}
// OpenSSL counts in int. Longer texts do not occur: the store takes 16 MiB.
int lengthOf(std::string_view text) {
  require(std::cmp_less(text.size(), std::numeric_limits<int>::max()));
  return static_cast<int>(text.size());
}

Context newContext() {
  Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  require(context != nullptr);
  return context;
}

}  // namespace

AeadKey AeadKey::generate(Random& random) {
  std::string bytes(kBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes)));
  return AeadKey(Secret(std::move(bytes)));
}

Result<AeadKey> AeadKey::fromBytes(std::string_view bytes) {
  if (bytes.size() == kBytes) return AeadKey(Secret(std::string(bytes)));
  return fail(ErrorCode::invalidArgument,
              fmt::format("a key has {} bytes, this has {}", kBytes, bytes.size()));
}

std::string AeadKey::seal(std::string_view text, std::string_view associated,
                          Random& random) const {
  std::string sealed(kNonceBytes + text.size() + kTagBytes, '\0');
  random.fill(std::as_writable_bytes(std::span(sealed).first(kNonceBytes)));
  const Context context = newContext();
  int length = 0;
  require(EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), in(bytes_.reveal()), in(sealed),
                              nullptr) == 1);
  require(EVP_EncryptUpdate(context.get(), nullptr, &length, in(associated),
                            lengthOf(associated)) == 1);
  require(EVP_EncryptUpdate(context.get(), out(sealed, kNonceBytes), &length, in(text),
                            lengthOf(text)) == 1);
  require(EVP_EncryptFinal_ex(context.get(), out(sealed, kNonceBytes + text.size()), &length) == 1);
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes),
                              out(sealed, kNonceBytes + text.size())) == 1);
  return sealed;
}

std::optional<Secret> AeadKey::open(std::string_view sealed, std::string_view associated) const {
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string text(body.size(), '\0');
  const Context context = newContext();
  int length = 0;
  require(EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), in(bytes_.reveal()), in(nonce),
                              nullptr) == 1);
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes),
                              tag.data()) == 1);
  require(EVP_DecryptUpdate(context.get(), nullptr, &length, in(associated),
                            lengthOf(associated)) == 1);
  require(EVP_DecryptUpdate(context.get(), out(text, 0), &length, in(body), lengthOf(body)) == 1);
  Secret opened(std::move(text));
  std::array<unsigned char, kTagBytes> rest{};
  if (EVP_DecryptFinal_ex(context.get(), rest.data(), &length) != 1) return std::nullopt;
  return opened;
}

}  // namespace corbel::crypto
