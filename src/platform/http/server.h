// The HTTP/1.1 server: sockets, parsing, limits, keep-alive, pipelining, drain. Knows no routes.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "base/limits.h"
#include "base/result.h"
#include "http/exchange.h"

namespace corbel::http {

// PEM: the certificate and behind it those that signed it; its key, without passphrase.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

// Where a server listens.
struct Endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 3004;  // 0: any free port, see Server::port()
  std::string unixPath = {};  // a Unix socket there, instead of host and port
  unsigned unixMode = 0660;   // of its file: who may write it may connect
  std::optional<TlsFiles> tls = {};
};

// An endpoint that belongs to this process, before a server answers there.
struct Address {
  // Binds every address that the host means (a name, an IPv4 or an IPv6 address, this also in
  // brackets), on one port. An address that this machine does not have is left out unless it is the
  // only one. A file of a Unix socket that nobody listens at is left over and is replaced.
  // failed_precondition: it cannot be bound; the message names it and says what to do.
  static Result<Address> take(const Endpoint& endpoint);
  static Result<Address> take(const std::string& host, std::uint16_t port) {
    return take({.host = host, .port = port});
  }

  Endpoint endpoint;
  std::uint16_t port = 0;           // 0: a Unix socket
  std::vector<Descriptor> sockets;  // bound, not listened on
};

struct ServerOptions {
  std::vector<Endpoint> endpoints = {{}};  // one or more
  unsigned threads = 1;
  std::size_t maxConnections = limits::kConnections;
  std::chrono::milliseconds headerDeadline = limits::kHeaderDeadline;
  std::chrono::milliseconds idleTimeout = limits::kIdle;
  std::size_t bodyMemory = limits::kBodyMemory;  // of all request bodies together; over it 503
};

struct ServerStats {
  std::size_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;       // over maxConnections
  std::size_t maxConnections = 0;  // as asked for, or less where the process may not open so many
  std::size_t bodyMemory = 0;      // bytes of request bodies
};

// Each of `threads` threads runs its own event loop; a connection stays on one. Requests of a
// connection are answered one after the other (pipelined requests wait in the buffer).
class Server {
 public:
  // Raises the process's limit of open files as far as it may, binds every address of every
  // endpoint, and starts. `service` and `clock` must outlive the server, `service` also the work on
  // exchanges that the end of the server cut off (see Service::onSent).
  // failed_precondition: an address cannot be bound, or a file of TLS cannot be used; the message
  // names it and says what to do.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Service& service,
                                               const Clock& clock);
  // The same on addresses taken before; the endpoints of the options are not looked at.
  static Result<std::unique_ptr<Server>> start(std::vector<Address> addresses,
                                               const ServerOptions& options, Service& service,
                                               const Clock& clock);
  static Result<std::unique_ptr<Server>> start(Address address, const ServerOptions& options,
                                               Service& service, const Clock& clock);
  virtual ~Server() = default;

  // Of an endpoint; 0: it is a Unix socket.
  virtual std::uint16_t port(std::size_t endpoint = 0) const = 0;
  virtual ServerStats stats() const = 0;
  // Looks whether files of TLS were replaced, and takes them for new connections. Reads files: not
  // on network threads. true: they were. failed_precondition: they cannot be used; the old ones
  // stay.
  virtual Result<bool> refreshCertificates() = 0;
  // Stops accepting, lets running exchanges finish (keep-alive connections get "Connection:
  // close"), then closes what is left at the deadline. Blocks. Idempotent.
  virtual void drain(Deadline deadline) = 0;
};

}  // namespace corbel::http
