// Passes calls on to another process of the installation that has the features they are for: who
// calls is carried in a service token, bodies pass through in bounded pieces, and the answer is the
// other's.
#pragma once
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "exec/pool.h"
#include "http/call.h"
#include "http/route.h"
#include "identity/service_tokens.h"
#include "net/streaming_client.h"
#include "resilience/dependency.h"

namespace corbel::relay {

// Where the calls of one role go.
struct Target {
  std::string role;                 // what the service tokens are for
  std::string url;                  // without a slash at the end, as in http://10.0.0.5:3004
  resilience::Dependency& process;  // must outlive the routes
};

// Thread-safe.
class Relay {
 public:
  // Each waits on one thread of `pool` until its answer has begun, and for a long one until it has
  // ended. Everything must outlive it.
  struct Parts {
    const identity::ServiceTokens& tokens;
    exec::Pool& pool;
    exec::Pool& files;  // for uploads and downloads, which take as long as their clients
    const Clock& clock;
  };
  explicit Relay(Parts parts) : parts_(parts), client_(parts.clock) {}

  // The routes with handlers that pass on. Permissions, limits and sizes hold here; the relay must
  // outlive them. unavailable: the target cannot be reached (at once while its breaker is open), or
  // too many calls wait.
  std::vector<http::Route> routes(std::vector<http::Route> described, const Target& target);
  // Calls that wait for the other process are given up within about a second.
  void stop() { stop_.request_stop(); }

 private:
  friend class Passage;
  const Parts parts_;
  net::StreamingClient client_;
  std::stop_source stop_;
};

}  // namespace corbel::relay
