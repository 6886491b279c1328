// One HTTP exchange with a server that the operator configured, whose bodies may be large.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"

namespace corbel::net {

struct Transfer {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  // The request's body: bodyBytes, asked for in pieces; how many were given, fewer than asked only
  // at the end. Empty: there is none.
  std::function<std::size_t(std::span<char>)> read = {};
  std::int64_t bodyBytes = 0;
  // Takes the body of a 2xx answer piece by piece; false ends the exchange. Empty: it is kept.
  std::function<bool(std::string_view)> write = {};
  std::string caFile = {};                     // PEM; empty: the system's authorities
  std::chrono::milliseconds stallMax{60'000};  // how long nothing may move, in either direction
};

inline constexpr std::size_t kKeptBytes = std::size_t{256} * 1024;  // of an answer that is kept

struct Transferred {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
  std::string body = {};  // unless `write` took it; at most kKeptBytes

  std::string_view header(std::string_view name) const;  // empty: there is none
};

// Blocks; thread-safe. Any status is an answer. http and https (TLS 1.2 or newer, certificate and
// name checked); no redirects, no proxies of the environment, no cookies.
// deadline_exceeded. unavailable: no connection, a bad certificate, a connection that broke, a kept
// body longer than kKeptBytes. aborted: `write` said so, or `read` gave too little. The message is
// for the operator.
Result<Transferred> transfer(const Transfer& wanted, Deadline deadline, const Clock& clock);

}  // namespace corbel::net
