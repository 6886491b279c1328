#include "identity/jwks.h"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "key_set.h"

namespace corbel::identity {
namespace {

class JwksFile final : public JwksSource {
 public:
  explicit JwksFile(std::string file) : file_(std::move(file)) {}

  Result<std::string> fetch(Deadline) override {
    std::ifstream stream(file_, std::ios::binary);
    // One byte more than allowed, so that a longer file is noticed.
    std::string text(KeySet::kMaxBytes + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (stream.bad() || text.empty())
      return fail(ErrorCode::unavailable, fmt::format("The key set {} cannot be read.", file_));
    return text;
  }

 private:
  const std::string file_;
};

class JwksUrl final : public JwksSource {
 public:
  JwksUrl(std::string url, HttpGet get) : url_(std::move(url)), get_(std::move(get)) {}
  Result<std::string> fetch(Deadline deadline) override {
    return get_(url_, KeySet::kMaxBytes, deadline);
  }

 private:
  const std::string url_;
  const HttpGet get_;
};

}  // namespace

std::shared_ptr<JwksSource> jwksFile(std::string file) {
  return std::make_shared<JwksFile>(std::move(file));
}

std::shared_ptr<JwksSource> jwksUrl(std::string url, HttpGet get) {
  return std::make_shared<JwksUrl>(std::move(url), std::move(get));
}

}  // namespace corbel::identity
