// One exchange over HTTP with all that is the same for every one: what is never followed, believed
// or sent, and which addresses may be connected to.
#pragma once
#include <curl/curl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "base/trace.h"
#include "net/destination.h"

namespace corbel::net {

// One request at a time a thread: it is a span of the trace that the thread works under.
class OutboundRequest {
 public:
  using HeaderLines = std::vector<std::pair<std::string, std::string>>;

  // invalid_argument: the URL is refused. deadline_exceeded: there is no time left. `url` and the
  // headers are copied.
  static Result<OutboundRequest> make(const std::string& url, const DestinationPolicy& policy,
                                      const HeaderLines& headers, Deadline deadline,
                                      const Clock& clock);

  CURL* easy() { return state_->easy.get(); }
  // Sends it as the body; it must stay until run() has returned.
  void send(const std::string& body);
  CURLcode run();
  // Errors as of post(); `who` begins their messages, as in "The receiver".
  Result<void> check(CURLcode outcome, std::string_view who);
  int status();

 private:
  struct State {  // curl keeps pointers into it
    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy{nullptr, &curl_easy_cleanup};
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{nullptr,
                                                                        &curl_slist_free_all};
    std::array<char, CURL_ERROR_SIZE> reason{};
    std::optional<trace::Span> span;  // while the request lives
    bool anyAddress = false;
    bool refused = false;
  };
  explicit OutboundRequest(std::unique_ptr<State> state) : state_(std::move(state)) {}
  static curl_socket_t openSocket(void* user, curlsocktype purpose, curl_sockaddr* address);
  static void addHeader(State& state, const std::string& line);
  static void configure(State& state, const std::string& url, const Destination& destination);

  std::unique_ptr<State> state_;
};

}  // namespace corbel::net
