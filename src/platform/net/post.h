// Sends a document to an address that somebody outside chose, such as a webhook.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"

namespace corbel::net {

// "hooks.example.com" or "10.0.0.5:9000": what the operator trusts. Without a port: the scheme's
// own.
struct AllowedHost {
  std::string host;  // lower case, as in a URL: IPv6 in brackets
  std::optional<std::uint16_t> port;
};
// Nothing: not such a text.
std::optional<AllowedHost> parseAllowedHost(std::string_view text);

// What a URL from outside may name: https to one of the ports of a public address. A host on the
// operator's list may also be private, speak http, and be asked at the port listed.
struct DestinationPolicy {
  // Every host counts as listed: of URLs that the operator himself wrote.
  bool anyHost = false;
  std::vector<AllowedHost> allowed = {};
  std::vector<std::uint16_t> ports = {443, 8443};
};

// Of a URL's text alone; addresses are checked when they are connected to. invalid_argument: says
// what is wrong.
Result<void> checkDestination(const std::string& url, const DestinationPolicy& policy);

struct Post {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body;
};

// The status of the answer, whose body is ignored. Blocks; thread-safe.
//
// No redirects, no proxies of the environment, no cookies, no credentials in the URL; TLS 1.2 or
// newer, certificate and name checked. The address that is connected to is the one that was
// checked, so a name that changes its address in between changes nothing.
// invalid_argument: checkDestination() refuses the URL. permission_denied: the name has no public
// address. deadline_exceeded. unavailable: no connection or no answer. The message never says what
// answered.
Result<int> post(const Post& post, const DestinationPolicy& policy, Deadline deadline,
                 const Clock& clock);

}  // namespace corbel::net
