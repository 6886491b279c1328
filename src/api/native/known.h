// Answers for clients that may have the thing already (If-None-Match).
#pragma once
#include <string>

#include "http/call.h"
#include "http/conditional.h"
#include "http/message.h"
#include "json/encode.h"

namespace corbel::native {

inline http::Response notModified() { return {.status = 304, .headers = {}, .body = {}}; }

// With the ETag: the JSON of what `view` makes, or 304 without making it.
http::Response viewUnlessKnown(http::Call& call, std::string etag, auto&& view) {
  const bool known = http::clientHas(call.head(), etag);
  call.addHeader("ETag", std::move(etag));
  if (known) return notModified();
  http::Response response;
  response.body = json::encode(view());
  return response;
}

}  // namespace corbel::native
