// A URL that was read and found allowed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/post.h"

namespace corbel::net {

struct Destination {
  std::string scheme;  // "https", "http"
  std::string host;
  std::uint16_t port = 0;
  bool allowed = false;  // by the operator: any address, http, any port
};

// White space, control characters and backslashes are read differently by different parsers.
bool isPlainUrl(std::string_view url);

// invalid_argument: says what is wrong.
Result<Destination> readDestination(const std::string& url, const DestinationPolicy& policy);

}  // namespace corbel::net
