// One exchange over HTTP: the one place that works with libcurl, and the rules that hold for every
// request this program sends. ask(), fetch(), post(), transfer() and StreamingClient are its faces.
//
// No redirects, no proxies of the environment, no cookies, no .netrc; TLS 1.2 or newer, certificate
// and name checked; HTTP/1.1; a head of at most 64 KiB. The address that is connected to is the one
// that was judged, so a name that changes its address in between changes nothing.
#pragma once
#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "net/post.h"
#include "net/streaming_client.h"

namespace corbel::net {

// Which addresses may be connected to.
enum class Reach : std::uint8_t { anywhere, publicInternet, thisMachine };

struct Rules {
  std::string who = "The server";  // begins messages
  std::string schemes = "http,https";
  Reach reach = Reach::anywhere;
  std::string caFile = {};                                   // PEM; empty: the system's authorities
  std::optional<std::chrono::milliseconds> connectMax = {};  // to resolve, connect, agree on TLS
  bool isSpan = true;                                        // false: the caller has one of his own
};

// Those of a URL that somebody outside chose. invalid_argument: it is refused.
Result<Rules> rulesFor(const std::string& url, const DestinationPolicy& policy);

// Keeps its connection for the next exchange; for one at a time.
using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
Handle newHandle();

// Blocks until the answer is there as a whole, whatever its status, or the deadline. It is a span
// of the trace that the thread works under, and tells the other side about it. deadline_exceeded.
// permission_denied: the name has no public address. unavailable: no connection, no answer, or it
// stalled. aborted: one of the functions gave up. internal: there is no handle. The message never
// says what answered.
Result<void> exchange(CURL* handle, const StreamingRequest& wanted, const Rules& rules,
                      Deadline deadline, const Clock& clock);

// The answer to a request without pieces, for the faces that have no use for them.
struct Kept {
  StreamingHead head = {};
  std::string body = {};

  std::string_view header(std::string_view name) const;  // in lower case; empty: there is none
};
// On a handle of its own. unavailable also: the body is longer than `maxBytes`.
Result<Kept> exchangeWhole(StreamingRequest wanted, const Rules& rules, std::size_t maxBytes,
                           Deadline deadline, const Clock& clock);

// For `body` of a request: a text that outlives the exchange.
std::function<std::optional<std::size_t>(std::span<char>)> inPieces(std::string_view text);

}  // namespace corbel::net
