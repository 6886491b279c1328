#include "net/destination.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"

namespace corbel::net {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

constexpr std::size_t kUrlBytes = 2048;
constexpr std::uint16_t kHttps = 443;
constexpr std::uint16_t kHttp = 80;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, &curl_free);
  return text;
}

bool isListed(const AllowedHost& entry, const Destination& destination) {
  const std::uint16_t own = destination.scheme == "https" ? kHttps : kHttp;
  return entry.host == destination.host && entry.port.value_or(own) == destination.port;
}

}  // namespace

bool isPlainUrl(std::string_view url) {
  return std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f && c != '\\'; });
}

Result<Destination> readDestination(const std::string& text, const DestinationPolicy& policy) {
  const auto refuse = [](std::string message) {
    return fail(ErrorCode::invalidArgument, std::move(message));
  };
  const Url url(curl_url(), &curl_url_cleanup);
  if (text.size() > kUrlBytes || !isPlainUrl(text) ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return refuse("must be an address as in https://hooks.example.com/corbel");
  Destination destination{.scheme = toLowerAscii(part(url.get(), CURLUPART_SCHEME)),
                          .host = toLowerAscii(part(url.get(), CURLUPART_HOST))};
  const auto port = parseNumber<std::uint16_t>(part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
  if (!port || destination.host.empty()) return refuse("must name a host");
  destination.port = *port;
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty())
    return refuse("must not contain a user name or password");
  if (destination.scheme != "https" && destination.scheme != "http")
    return refuse("must begin with https://");
  destination.allowed =
      policy.anyHost || std::ranges::any_of(policy.allowed, [&](const AllowedHost& entry) {
        return isListed(entry, destination);
      });
  if (destination.allowed) return destination;
  if (destination.scheme != "https") return refuse("must begin with https://");
  if (std::ranges::find(policy.ports, destination.port) == policy.ports.end())
    return refuse(fmt::format("must use port {}", fmt::join(policy.ports, " or ")));
  return destination;
}

}  // namespace corbel::net
