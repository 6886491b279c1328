#include "net/post.h"

#include <algorithm>

#include "base/text.h"
#include "net/destination.h"
#include "net/outbound_request.h"

namespace corbel::net {
namespace {

std::size_t ignore(char*, std::size_t, std::size_t count, void*) { return count; }

// An answer's headers and body are nobody's business, but must not be endless either.
constexpr curl_off_t kAnswerBytes = 1 << 20;

int stopEndless(void*, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  return received > kAnswerBytes ? 1 : 0;
}

}  // namespace

std::optional<AllowedHost> parseAllowedHost(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::size_t bracket = text.rfind(']');
  const bool hasPort =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  AllowedHost entry{.host = toLowerAscii(text.substr(0, hasPort ? colon : text.size())),
                    .port = {}};
  if (hasPort) {
    entry.port = parseNumber<std::uint16_t>(text.substr(colon + 1));
    if (!entry.port || *entry.port == 0) return std::nullopt;
  }
  const bool good = !entry.host.empty() && std::ranges::all_of(entry.host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").contains(c);
  });
  return good ? std::optional(entry) : std::nullopt;
}

Result<void> checkDestination(const std::string& url, const DestinationPolicy& policy) {
  CORBEL_CHECK(readDestination(url, policy));
  return {};
}

Result<int> post(const Post& post, const DestinationPolicy& policy, Deadline deadline,
                 const Clock& clock) {
  CORBEL_TRY(OutboundRequest request,
             OutboundRequest::make(post.url, policy, post.headers, deadline, clock));
  CURL* const easy = request.easy();
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &ignore);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &stopEndless);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  request.send(post.body);
  CORBEL_CHECK(request.check(request.run(), "The receiver"));
  return request.status();
}

}  // namespace corbel::net
