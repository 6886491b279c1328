// Asks another server over HTTP and reads its answer.
#pragma once
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "net/post.h"

namespace corbel::net {

struct Question {
  std::string method = "GET";
  std::string url = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};  // sent where it is not empty
};

struct AskOptions {
  DestinationPolicy destination = {};
  std::chrono::milliseconds connectMax{1'000};  // to resolve, connect and agree on TLS
  std::size_t maxBytes = std::size_t{64} * 1024;
  std::string caFile = {};  // PEM; empty: the system's authorities
};

struct Answer {
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retryAfter = {};  // of the header, where it is a number
};

// Whatever the status says. Blocks; thread-safe.
//
// No redirects, no proxies of the environment, no cookies, no credentials in the URL; TLS 1.2 or
// newer, certificate and name checked. The address that is connected to is the one that was
// checked. invalid_argument: checkDestination() refuses the URL. permission_denied: the name has no
// public address. deadline_exceeded. unavailable: no connection, no answer, or one longer than
// maxBytes; the message is for operators and never says what answered.
Result<Answer> ask(const Question& question, const AskOptions& options, Deadline deadline,
                   const Clock& clock);

}  // namespace corbel::net
