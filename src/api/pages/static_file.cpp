#include "static_file.h"

#include "crypto/sha256.h"
#include "http/conditional.h"

namespace corbel::pages {

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
  if (http::clientHas(head, etag_)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Security-Policy", policy_);
  response.body = http::StaticBytes{bytes_};
  return response;
}

}  // namespace corbel::pages
