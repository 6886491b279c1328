// Sockets that listen.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"

namespace corbel::http {

constexpr int kBacklog = 4096;

class TlsContext;

struct Bound {
  Descriptor socket;
  std::uint16_t port = 0;  // 0: of a Unix socket
  std::string path = {};   // of a Unix socket
  const TlsContext* tls = nullptr;
};

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

// All addresses that `host` means, on one port: a name may stand for an IPv4 and an IPv6 address,
// and clients try either. One that this machine does not have is left out unless it is the last.
// failed_precondition: an address cannot be bound; the message names it and says what to do.
Result<std::vector<Bound>> bindTo(const std::string& host, std::uint16_t port);
// The same when the addresses are known; `host` is for messages.
Result<std::vector<Bound>> bindAll(std::vector<SocketAddress> addresses, const std::string& host,
                                   std::uint16_t port);

// A socket file at `path`, which only those may use whom `mode` lets write it. A file that nobody
// listens at is left over from a process that was killed, and is replaced.
// failed_precondition: somebody listens there, it is another file, or the folder cannot be written.
Result<Bound> bindUnix(const std::string& path, unsigned mode);

}  // namespace corbel::http
