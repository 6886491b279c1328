// One HTTP exchange with a process that the operator has named, with bodies of any length that pass
// through in pieces.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"

namespace corbel::net {

struct StreamingHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
};

struct StreamingRequest {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Fills the space with what comes next of the request's body; 0: that was all. Nothing: give up.
  // May block. Null: the request has no body.
  std::function<std::optional<std::size_t>(std::span<char>)> body = {};
  std::optional<std::uint64_t> bodyBytes = {};  // none: it is not known
  // Once, before the body of the answer. False: give up.
  std::function<bool(StreamingHead)> onHead = {};
  // The next piece of the answer's body. May block. False: give up.
  std::function<bool(std::string_view)> onBody = {};
  // How long nothing may move, in either direction.
  std::chrono::milliseconds stallMax{30'000};
  // Gives up within about a second of its request; not while a function above blocks.
  std::stop_token stop = {};
};

// Keeps connections open for the next exchange. Thread-safe.
class StreamingClient {
 public:
  static constexpr std::size_t kIdleConnections = 16;

  explicit StreamingClient(const Clock& clock);
  ~StreamingClient();

  // Blocks until the answer is there as a whole, or the deadline. No redirects, no proxies of the
  // environment, no cookies; TLS 1.2 or newer, certificate and name checked.
  // deadline_exceeded; unavailable: no connection, no answer, or it stalled; aborted: a function
  // gave up. The message never says what answered.
  Result<void> run(const StreamingRequest& transfer, Deadline deadline);

 private:
  struct Connection;
  std::unique_ptr<Connection> take();
  void giveBack(std::unique_ptr<Connection> connection);

  const Clock& clock_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::net
