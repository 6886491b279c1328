// Fetches a small document that the operator configured, such as an issuer's key set.
#pragma once
#include <cstddef>
#include <string>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"

namespace corbel::net {

struct FetchOptions {
  std::size_t maxBytes = std::size_t{64} * 1024;
  bool plainHttpToLoopback =
      false;                // for development: http:// where the connected address is this machine
  std::string caFile = {};  // PEM; empty: the system's authorities
};

// The body of a GET that was answered with 200. Blocks; thread-safe.
//
// Only https (TLS 1.2 or newer, certificate and name checked); no redirects, no proxies of the
// environment, no cookies, no credentials in the URL. Private addresses are allowed: the URL comes
// from the operator, never from a request. invalid_argument: the URL is none of these.
// deadline_exceeded. unavailable: no connection, a bad certificate, another status, or a body
// longer than maxBytes; the message is for the operator.
Result<std::string> fetch(const std::string& url, const FetchOptions& options, Deadline deadline,
                          const Clock& clock);

}  // namespace corbel::net
