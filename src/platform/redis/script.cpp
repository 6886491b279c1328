#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "crypto/encoding.h"
#include "redis/redis.h"

namespace corbel::redis {
namespace {

// How Redis names scripts. Empty: this OpenSSL has no SHA-1 any more, and every run sends the text.
std::string sha1(std::string_view text) {
  std::array<std::byte, 20> digest{};
  std::size_t size = digest.size();
  const int done = EVP_Q_digest(nullptr, "SHA1", nullptr, text.data(), text.size(),
                                reinterpret_cast<unsigned char*>(digest.data()), &size);
  return done == 1 && size == digest.size() ? crypto::toHex(digest) : std::string();
}

}  // namespace

Script::Script(std::string text) : text_(std::move(text)), sha1_(sha1(text_)) {}

Result<Reply> Script::run(Client& client, std::size_t keys,
                          std::span<const std::string_view> arguments, Deadline deadline) const {
  const std::string count = std::to_string(keys);
  std::vector<std::string_view> words{"EVALSHA", sha1_, count};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto reply = client.command(words, deadline);
  const bool isUnknown =
      reply && reply->kind == Reply::Kind::error && reply->text.starts_with("NOSCRIPT");
  if (!isUnknown) return reply;
  words[0] = "EVAL";
  words[1] = text_;
  return client.command(words, deadline);
}

}  // namespace corbel::redis
