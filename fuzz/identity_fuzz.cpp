// Any bytes as a token, as the claims of a well-signed token, as a key set and as an API key.
// Beside crashes it finds tokens that are accepted though nobody made them.
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "crypto/encoding.h"
#include "identity/api_keys.h"
#include "identity/jwt.h"
#include "identity/migrations.h"

namespace corbel::identity {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kHeader = R"({"alg":"HS256"})";

void require(bool holds) {
  if (!holds) std::abort();
}

template <class T>
T must(Result<T> result) {
  require(result.has_value());
  return *std::move(result);
}

// Answers with whatever the fuzzer made.
class AnyKeys final : public JwksSource {
 public:
  explicit AnyKeys(std::string_view text) : text_(text) {}
  Result<std::string> fetch(Deadline) override { return text_; }

 private:
  const std::string text_;
};

class World {
 public:
  static World& get() {
    static World world;
    return world;
  }

  // Only who has the secret makes tokens: bytes without a good signature are nobody.
  void asToken(std::string_view text) {
    const auto verdict = tokens_->tryVerify(text);
    require(verdict.has_value());
    if (!*verdict) return require(verdict->error().code == ErrorCode::unauthenticated);
    const std::size_t dot = text.rfind('.');
    require(crypto::fromBase64Url(text.substr(dot + 1)) == tag(text.substr(0, dot)));
  }

  void asSignedParts(std::string_view header, std::string_view claims) {
    const std::string part = url(header) + "." + url(claims);
    const auto verdict = tokens_->tryVerify(part + "." + url(tag(part)));
    require(verdict.has_value());
    if (*verdict)
      require(!(**verdict)->id.empty() &&
              (**verdict)->id.size() > std::string_view("user:").size());
  }

  void asKeySet(std::string_view text) {
    const auto algorithm =
        std::array{crypto::SignatureAlgorithm::rs256, crypto::SignatureAlgorithm::es256,
                   crypto::SignatureAlgorithm::edDsa}[text.size() % 3];
    const auto verifier =
        must(JwtVerifier::make({{.algorithm = algorithm, .keys = std::make_shared<AnyKeys>(text)}},
                               *directory_, clock_, {.cacheBytes = 0}));
    static_cast<void>(verifier->fetchKeys(Deadline::never()));
  }

  void asApiKey(std::string_view text) { require(!keys_->verify(text)); }

 private:
  World() {
    must(store::migrateUp(*database_, migrations(), clock_));
    directory_ = must(Directory::load(*database_, clock_, Deadline::never()));
    keys_ =
        must(ApiKeys::load({*database_, *directory_, clock_, random_, ids_}, Deadline::never()));
    tokens_ = must(JwtVerifier::make({must(issuerOfSecret(kSecret))}, *directory_, clock_));
  }
  static std::string url(std::string_view text) {
    return crypto::toBase64Url(crypto::bytesOf(text));
  }
  static std::string tag(std::string_view part) {
    static const crypto::HmacKey key = must(crypto::HmacKey::fromSecret(kSecret));
    return key.sign(crypto::SignatureAlgorithm::hs256, part);
  }
  static std::filesystem::path folder() {
    return std::filesystem::temp_directory_path() / ("corbel-fuzz-" + std::to_string(getpid()));
  }

  ManualClock clock_;
  SystemRandom random_;
  IdSource ids_{clock_, random_};
  std::unique_ptr<store::Database> database_ =
      must(store::openSqlite({.dataFolder = folder()}, clock_));
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<ApiKeys> keys_;
  std::unique_ptr<JwtVerifier> tokens_;
};

}  // namespace
}  // namespace corbel::identity

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using corbel::identity::World;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::size_t middle = text.find('\n');
  World& world = World::get();
  world.asToken(text);
  world.asSignedParts(corbel::identity::kHeader, text);
  if (middle != std::string_view::npos)
    world.asSignedParts(text.substr(0, middle), text.substr(middle + 1));
  world.asKeySet(text);
  world.asApiKey(text);
  return 0;
}
