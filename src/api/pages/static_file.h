// A file that does not change while the program runs, as browsers like it: with an ETag, and 304
// when they have it already.
#pragma once
#include <string>
#include <string_view>

#include "http/message.h"

namespace corbel::pages {

class StaticFile {
 public:
  // `bytes` must outlive all responses; `contentType` and `policy` (the Content-Security-Policy)
  // are literals.
  StaticFile(std::string_view bytes, std::string_view contentType, std::string_view policy);

  // 200, or 304 where If-None-Match names this content. Browsers keep it, but ask each time: after
  // an upgrade nobody sees the old page with the new script.
  http::Response answer(const http::RequestHead& head) const;

 private:
  std::string_view bytes_;
  std::string_view contentType_;
  std::string_view policy_;
  std::string etag_;
};

}  // namespace corbel::pages
