#include "bind.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/limits.h"
#include "base/result.h"

namespace corbel::http {
namespace {

constexpr int kPortAttempts = 16;
// What the kernel holds back of a response that the client does not read.
constexpr int kUnsentAtMost = 128 * limits::kKiB;

std::string shown(const std::string& host, std::uint16_t port) {
  const bool isIpv6 = host.contains(':') && !host.starts_with('[');
  return (isIpv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::unexpected<Error> cannotListen(const std::string& host, std::uint16_t port, int error) {
  std::string reason;
  switch (error) {
    case EADDRINUSE:
      reason = "another program listens there; stop it or choose another port";
      break;
    case EACCES:
      reason = "ports below 1024 need a privilege; choose a higher port";
      break;
    case EADDRNOTAVAIL:
      reason = "this machine does not have that address; use 127.0.0.1 or 0.0.0.0";
      break;
    default:
      reason = std::generic_category().message(error);
  }
  return fail(ErrorCode::failedPrecondition,
              "cannot listen on " + shown(host, port) + ": " + reason);
}

void setOption(const Descriptor& socket, int level, int option, int value) {
  ::setsockopt(socket.number(), level, option, &value, sizeof value);
}

// Accepted sockets inherit these.
void setOptions(const Descriptor& socket) {
  setOption(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  setOption(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  setOption(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentAtMost);
}

std::uint16_t portOf(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

void setPort(SocketAddress& address, std::uint16_t port) {
  (address.bytes.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address.bytes).sin6_port
                                       : reinterpret_cast<sockaddr_in&>(address.bytes).sin_port) =
      htons(port);
}

// errno when it fails. An IPv6 socket takes IPv4 connections too where it is the only one.
std::expected<Descriptor, int> bindOne(const SocketAddress& address, int onlyIpv6) {
  const int family = address.bytes.ss_family;
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return std::unexpected(errno);
  setOptions(socket);
  if (family == AF_INET6) setOption(socket, IPPROTO_IPV6, IPV6_V6ONLY, onlyIpv6);
  const auto* bytes = reinterpret_cast<const sockaddr*>(&address.bytes);
  if (::bind(socket.number(), bytes, address.length) != 0) return std::unexpected(errno);
  return socket;
}

std::uint16_t portOf(const Descriptor& socket) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&bound), &length);
  return portOf(bound);
}

bool isAbsent(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

std::expected<Address, int> tryBind(std::vector<SocketAddress>& addresses,
                                    const Endpoint& endpoint) {
  Address all{.endpoint = endpoint, .port = endpoint.port, .sockets = {}};
  int absent = EADDRNOTAVAIL;
  for (SocketAddress& address : addresses) {
    setPort(address, all.port);
    auto socket = bindOne(address, addresses.size() > 1 ? 1 : 0);
    if (socket) {
      all.port = portOf(*socket);
      all.sockets.push_back(*std::move(socket));
    } else if (isAbsent(socket.error())) {
      absent = socket.error();
    } else {
      return std::unexpected(socket.error());
    }
  }
  if (all.sockets.empty()) return std::unexpected(absent);
  return all;
}

Result<Address> takeTcp(const Endpoint& endpoint) {
  const std::string& host = endpoint.host;
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const bool isBracketed = host.starts_with('[') && host.ends_with(']');
  const std::string name = isBracketed ? host.substr(1, host.size() - 2) : host;
  const int lookup =
      ::getaddrinfo(name.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  if (host.empty() || lookup != 0) {
    return fail(
        ErrorCode::failedPrecondition,
        "cannot listen on " + shown(host, endpoint.port) +
            ": the host must be an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::",
        lookup != 0 ? ::gai_strerror(lookup) : "");
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.bytes, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
  }
  return bindAll(std::move(addresses), endpoint);
}

std::unexpected<Error> cannotListenAt(const std::string& path, std::string_view reason) {
  return fail(ErrorCode::failedPrecondition,
              "cannot listen on the Unix socket " + path + ": " + std::string(reason));
}

// 0, or errno.
int bindFile(const Descriptor& socket, const sockaddr_un& address) {
  const auto* bytes = reinterpret_cast<const sockaddr*>(&address);
  return ::bind(socket.number(), bytes, sizeof address) == 0 ? 0 : errno;
}

bool somebodyListens(const sockaddr_un& address) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* bytes = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket.number(), bytes, sizeof address) == 0 || errno != ECONNREFUSED;
}

// The path must be short enough for the kernel.
Result<sockaddr_un> fileAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return cannotListenAt(path, "the path must not be longer than " +
                                    std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

Result<Address> takeUnix(const Endpoint& endpoint) {
  const std::string& path = endpoint.unixPath;
  CORBEL_TRY(const sockaddr_un address, fileAddress(path));
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // The file begins its life with the mode of the socket: nobody slips in before chmod().
  if (!socket || ::fchmod(socket.number(), 0) != 0) {
    return cannotListenAt(path, std::generic_category().message(errno));
  }
  int error = bindFile(socket, address);
  struct stat found{};
  if (error == EADDRINUSE && ::lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) return cannotListenAt(path, "it is another file");
    if (somebodyListens(address)) {
      return cannotListenAt(path, "another program listens there; stop it or choose another path");
    }
    ::unlink(path.c_str());
    error = bindFile(socket, address);
  }
  if (error == 0 && ::chmod(path.c_str(), endpoint.unixMode) != 0) error = errno;
  if (error != 0) return cannotListenAt(path, std::generic_category().message(error));
  Address taken{.endpoint = endpoint, .port = 0, .sockets = {}};
  taken.sockets.push_back(std::move(socket));
  return taken;
}

}  // namespace

Result<Address> Address::take(const Endpoint& endpoint) {
  return endpoint.unixPath.empty() ? takeTcp(endpoint) : takeUnix(endpoint);
}

Result<Address> bindAll(std::vector<SocketAddress> addresses, const Endpoint& endpoint) {
  for (int attempt = 1;; ++attempt) {
    auto taken = tryBind(addresses, endpoint);
    if (taken) return *std::move(taken);
    // The free port that the first address was given may be taken on the next.
    const bool again = endpoint.port == 0 && taken.error() == EADDRINUSE && attempt < kPortAttempts;
    if (!again) return cannotListen(endpoint.host, endpoint.port, taken.error());
  }
}

Result<void> listenOn(const Address& address) {
  for (const Descriptor& socket : address.sockets) {
    if (::listen(socket.number(), kBacklog) != 0) {
      return cannotListen(address.endpoint.host, address.port, errno);
    }
  }
  return {};
}

}  // namespace corbel::http
