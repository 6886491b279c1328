// The HTTP/1.1 server: sockets, parsing, limits, keep-alive, pipelining, drain. Knows no routes.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "base/limits.h"
#include "base/result.h"
#include "http/exchange.h"

namespace corbel::http {

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 3004;  // 0: any free port, see Server::port()
  unsigned threads = 1;
  std::size_t maxConnections = limits::kConnections;
  std::chrono::milliseconds headerDeadline = limits::kHeaderDeadline;
  std::chrono::milliseconds idleTimeout = limits::kIdle;
};

struct ServerStats {
  std::size_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // over maxConnections
};

// An address of this machine that belongs to this process, before a server answers there.
struct Address {
  // `host` is a name or an address, IPv6 with or without brackets; port 0 takes any free one.
  // failed_precondition: it cannot be bound; the message names it and says what to do.
  static Result<Address> take(const std::string& host, std::uint16_t port);

  std::string host;
  std::uint16_t port = 0;
  Descriptor socket;  // bound, not listened on
};

// Each of `threads` threads runs its own io_context; a connection stays on one. Requests of a
// connection are answered one after the other (pipelined requests wait in the buffer).
class Server {
 public:
  // Binds and starts. `service` and `clock` must outlive the server.
  // failed_precondition: the address cannot be bound; the message names it and says what to do.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Service& service,
                                               const Clock& clock);
  // The same on an address taken before; the host and port of the options are not looked at.
  static Result<std::unique_ptr<Server>> start(Address address, const ServerOptions& options,
                                               Service& service, const Clock& clock);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  virtual ServerStats stats() const = 0;
  // Stops accepting, lets running exchanges finish (keep-alive connections get "Connection:
  // close"), then closes what is left at the deadline. Blocks. Idempotent.
  virtual void drain(Deadline deadline) = 0;
};

}  // namespace corbel::http
