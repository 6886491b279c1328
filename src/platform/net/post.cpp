#include "net/post.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"
#include "base/trace.h"
#include "net/public_address.h"

namespace corbel::net {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr std::size_t kUrlBytes = 2048;
constexpr std::uint16_t kHttps = 443;
constexpr std::uint16_t kHttp = 80;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, &curl_free);
  return text;
}

struct Destination {
  std::string scheme;
  std::string host;
  std::uint16_t port = 0;
  bool allowed = false;  // by the operator
};

bool isListed(const AllowedHost& entry, const Destination& destination) {
  const std::uint16_t own = destination.scheme == "https" ? kHttps : kHttp;
  return entry.host == destination.host && entry.port.value_or(own) == destination.port;
}

// White space, control characters and backslashes are read differently by different parsers.
bool isPlain(std::string_view url) {
  return std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f && c != '\\'; });
}

Result<Destination> read(const std::string& text, const DestinationPolicy& policy) {
  const auto refuse = [](std::string message) {
    return fail(ErrorCode::invalidArgument, std::move(message));
  };
  const Url url(curl_url(), &curl_url_cleanup);
  if (text.size() > kUrlBytes || !isPlain(text) ||
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
  destination.allowed = std::ranges::any_of(
      policy.allowed, [&](const AllowedHost& entry) { return isListed(entry, destination); });
  if (destination.allowed) return destination;
  if (destination.scheme != "https") return refuse("must begin with https://");
  if (std::ranges::find(policy.ports, destination.port) == policy.ports.end())
    return refuse(fmt::format("must use port {}", fmt::join(policy.ports, " or ")));
  return destination;
}

struct Connecting {
  bool anyAddress = false;
  bool refused = false;
};

curl_socket_t openSocket(void* user, curlsocktype, curl_sockaddr* address) {
  Connecting& connecting = *static_cast<Connecting*>(user);
  if (!connecting.anyAddress && !isPublic(address->addr)) {
    connecting.refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t ignore(char*, std::size_t, std::size_t count, void*) { return count; }

// An answer's headers and body are nobody's business, but must not be endless either.
constexpr curl_off_t kAnswerBytes = 1 << 20;

int stopEndless(void*, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  return received > kAnswerBytes ? 1 : 0;
}

Headers headersOf(const Post& post) {
  Headers list(nullptr, &curl_slist_free_all);
  const auto append = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(list.release());
    list.reset(longer);
  };
  for (const auto& [name, value] : post.headers) append(fmt::format("{}: {}", name, value));
  if (const std::string trace = trace::outgoingTraceparent(); !trace.empty())
    append("traceparent: " + trace);
  append("Expect:");
  return list;
}

void configure(CURL* easy, const Post& post, const Destination& destination,
               const curl_slist* headers, Connecting& connecting) {
  curl_easy_setopt(easy, CURLOPT_URL, post.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, destination.scheme.c_str());
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &openSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &connecting);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &ignore);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &stopEndless);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post.body.c_str());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post.body.size()));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "Corbel");
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
  CORBEL_CHECK(read(url, policy));
  return {};
}

Result<int> post(const Post& post, const DestinationPolicy& policy, Deadline deadline,
                 const Clock& clock) {
  CORBEL_TRY(const Destination destination, read(post.url, policy));
  if (deadline.expired(clock)) return fail(ErrorCode::deadlineExceeded, "There was no time left.");
  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  if (easy == nullptr) return fail(ErrorCode::internal, "The HTTP client could not be started.");
  trace::Span span("POST", destination.host, trace::Kind::client);
  Connecting connecting{.anyAddress = destination.allowed};
  const Headers headers = headersOf(post);
  std::array<char, CURL_ERROR_SIZE> reason{};
  configure(easy.get(), post, destination, headers.get(), connecting);
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS,
                   std::max<long>(std::min<long>(deadline.remaining(clock).count(), 600'000), 1));
  const CURLcode outcome = curl_easy_perform(easy.get());
  if (outcome != CURLE_OK) span.fail(curl_easy_strerror(outcome));
  if (outcome == CURLE_OPERATION_TIMEDOUT) {
    return fail(ErrorCode::deadlineExceeded, "The receiver did not answer in time.", reason.data());
  }
  if (outcome != CURLE_OK && connecting.refused)
    return fail(ErrorCode::permissionDenied, "The receiver's address is not a public one.");
  if (outcome != CURLE_OK)
    return fail(ErrorCode::unavailable, "The receiver could not be reached.", reason.data());
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  span.set("http.response.status_code", status);
  return static_cast<int>(status);
}

}  // namespace corbel::net
