#include "static_file.h"

#include "base/text.h"
#include "crypto/sha256.h"

namespace corbel::pages {
namespace {

// RFC 9110, 13.1.2: weak comparison, so "W/" makes no difference.
bool names(std::string_view ifNoneMatch, std::string_view etag) {
  while (!ifNoneMatch.empty()) {
    std::string_view tag = trim(takeUntil(ifNoneMatch, ','));
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
  }
  return false;
}

}  // namespace

StaticFile::StaticFile(std::string_view bytes, std::string_view contentType,
                       std::string_view policy)
    : bytes_(bytes),
      contentType_(contentType),
      policy_(policy),
      etag_('"' + crypto::hex(crypto::sha256(bytes)).substr(0, 32) + '"') {}

http::Response StaticFile::answer(const http::RequestHead& head) const {
  http::Response response{.contentType = contentType_, .headers = {}, .body = {}};
  response.headers.emplace_back("ETag", etag_);
  response.headers.emplace_back("Cache-Control", "no-cache");
  if (names(head.header("If-None-Match"), etag_)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Security-Policy", policy_);
  response.body = http::StaticBytes{bytes_};
  return response;
}

}  // namespace corbel::pages
