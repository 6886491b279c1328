#include "net/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "base/trace.h"

namespace corbel::net {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

// libcurl says that a transfer has no limit by 0.
constexpr long kNoLimit = 0;

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, &curl_free);
  return text;
}

enum class Scheme : std::uint8_t { https, http };

Result<Scheme> checkUrl(const std::string& text, const FetchOptions& options) {
  const Url url(curl_url(), &curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return fail(ErrorCode::invalidArgument, "The URL is not valid.");
  }
  const std::string scheme = toLowerAscii(part(url.get(), CURLUPART_SCHEME));
  if (scheme != "https" && !(scheme == "http" && options.plainHttpToLoopback)) {
    return fail(ErrorCode::invalidArgument,
                fmt::format("The URL must begin with https://, it begins with {}://.", scheme));
  }
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty()) {
    return fail(ErrorCode::invalidArgument, "The URL must not contain a user name or password.");
  }
  return scheme == "https" ? Scheme::https : Scheme::http;
}

bool isLoopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof(four));
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 six{};
  std::memcpy(&six, &address, sizeof(six));
  return std::memcmp(&six.sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

// What was resolved last is what is connected to, so a name that changes its address in between
// changes nothing.
curl_socket_t openLoopbackOnly(void*, curlsocktype, curl_sockaddr* address) {
  if (!isLoopback(address->addr)) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

struct Body {
  std::string text;
  std::size_t maxBytes;
};

std::size_t append(char* bytes, std::size_t, std::size_t count, void* to) {
  Body& body = *static_cast<Body*>(to);
  if (count > body.maxBytes - body.text.size()) return 0;
  body.text.append(bytes, count);
  return count;
}

void configure(CURL* easy, const std::string& url, Scheme scheme, const FetchOptions& options,
               Body& body) {
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme == Scheme::https ? "https" : "http");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.caFile.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.caFile.c_str());
  if (scheme == Scheme::http) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &openLoopbackOnly);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
}

Headers traceHeader() {
  const std::string trace = trace::outgoingTraceparent();
  return {trace.empty() ? nullptr : curl_slist_append(nullptr, ("traceparent: " + trace).c_str()),
          &curl_slist_free_all};
}

long timeoutMs(Deadline deadline, const Clock& clock) {
  if (deadline.time() == SteadyTime::max()) return kNoLimit;
  return std::max<long>(deadline.remaining(clock).count(), 1);
}

}  // namespace

Result<std::string> fetch(const std::string& url, const FetchOptions& options, Deadline deadline,
                          const Clock& clock) {
  CORBEL_TRY(const Scheme scheme, checkUrl(url, options));
  if (deadline.expired(clock))
    return fail(ErrorCode::deadlineExceeded, "There was no time left to fetch the URL.");
  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  if (easy == nullptr) return fail(ErrorCode::internal, "The HTTP client could not be started.");
  Body body{.text = {}, .maxBytes = options.maxBytes};
  std::array<char, CURL_ERROR_SIZE> reason{};
  configure(easy.get(), url, scheme, options, body);
  trace::Span span("GET", url, trace::Kind::client);
  const Headers headers = traceHeader();
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, timeoutMs(deadline, clock));
  const CURLcode outcome = curl_easy_perform(easy.get());
  if (outcome != CURLE_OK) span.fail(curl_easy_strerror(outcome));
  if (outcome == CURLE_OPERATION_TIMEDOUT) {
    return fail(ErrorCode::deadlineExceeded, "The server did not answer in time.", reason.data());
  }
  if (outcome == CURLE_WRITE_ERROR) {
    return fail(ErrorCode::unavailable,
                fmt::format("The answer is longer than {} bytes.", options.maxBytes));
  }
  if (outcome != CURLE_OK)
    return fail(ErrorCode::unavailable, "The URL could not be fetched.", reason.data());
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  span.set("http.response.status_code", status);
  if (status != 200)
    return fail(ErrorCode::unavailable,
                fmt::format("The server answered with status {}, not 200.", status));
  return std::move(body.text);
}

}  // namespace corbel::net
