#include "net/post.h"

#include <algorithm>

#include "base/text.h"
#include "net/destination.h"
#include "net/exchange.h"

namespace corbel::net {
namespace {

// An answer's body is nobody's business, but must not be endless either.
constexpr std::size_t kAnswerBytes = std::size_t{1} << 20;

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
  CORBEL_TRY(Rules rules, rulesFor(post.url, policy));
  rules.who = "The receiver";
  CORBEL_TRY(const Kept kept, exchangeWhole({.method = "POST",
                                             .url = post.url,
                                             .headers = post.headers,
                                             .body = inPieces(post.body),
                                             .bodyBytes = post.body.size()},
                                            rules, kAnswerBytes, deadline, clock));
  return kept.head.status;
}

}  // namespace corbel::net
