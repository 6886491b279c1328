#include "net/outbound_request.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/public_address.h"

namespace corbel::net {

// What was resolved last is what is connected to, so a name that changes its address in between
// changes nothing.
curl_socket_t OutboundRequest::openSocket(void* user, curlsocktype, curl_sockaddr* address) {
  State& state = *static_cast<State*>(user);
  if (!state.anyAddress && !isPublic(address->addr)) {
    state.refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void OutboundRequest::addHeader(State& state, const std::string& line) {
  curl_slist* longer = curl_slist_append(state.headers.get(), line.c_str());
  if (longer == nullptr) return;
  static_cast<void>(state.headers.release());
  state.headers.reset(longer);
}

void OutboundRequest::configure(State& state, const std::string& url,
                                const Destination& destination) {
  CURL* const easy = state.easy.get();
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, destination.scheme.c_str());
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &openSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &state);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, state.headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "Corbel");
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state.reason.data());
}

Result<OutboundRequest> OutboundRequest::make(const std::string& url,
                                              const DestinationPolicy& policy,
                                              const HeaderLines& headers, Deadline deadline,
                                              const Clock& clock) {
  CORBEL_TRY(const Destination destination, readDestination(url, policy));
  if (deadline.expired(clock)) return fail(ErrorCode::deadlineExceeded, "There was no time left.");
  auto state = std::make_unique<State>();
  state->easy.reset(curl_easy_init());
  if (state->easy == nullptr)
    return fail(ErrorCode::internal, "The HTTP client could not be started.");
  state->anyAddress = destination.allowed;
  for (const auto& [name, value] : headers) addHeader(*state, fmt::format("{}: {}", name, value));
  state->span.emplace("HTTP", destination.host, trace::Kind::client);
  if (const std::string trace = trace::outgoingTraceparent(); !trace.empty())
    addHeader(*state, "traceparent: " + trace);
  addHeader(*state, "Expect:");
  configure(*state, url, destination);
  curl_easy_setopt(state->easy.get(), CURLOPT_TIMEOUT_MS,
                   std::max<long>(std::min<long>(deadline.remaining(clock).count(), 600'000), 1));
  return OutboundRequest(std::move(state));
}

void OutboundRequest::send(const std::string& body) {
  curl_easy_setopt(easy(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy(), CURLOPT_POSTFIELDS, body.c_str());
}

CURLcode OutboundRequest::run() { return curl_easy_perform(easy()); }

Result<void> OutboundRequest::check(CURLcode outcome, std::string_view who) {
  const char* const reason = state_->reason.data();
  if (outcome == CURLE_OK) return {};
  state_->span->fail(curl_easy_strerror(outcome));
  if (outcome == CURLE_OPERATION_TIMEDOUT)
    return fail(ErrorCode::deadlineExceeded, fmt::format("{} did not answer in time.", who),
                reason);
  if (state_->refused)
    return fail(ErrorCode::permissionDenied, fmt::format("{}'s address is not a public one.", who));
  return fail(ErrorCode::unavailable, fmt::format("{} could not be reached.", who), reason);
}

int OutboundRequest::status() {
  long status = 0;
  curl_easy_getinfo(state_->easy.get(), CURLINFO_RESPONSE_CODE, &status);
  state_->span->set("http.response.status_code", status);
  return static_cast<int>(status);
}

}  // namespace corbel::net
