#include "listener.h"
#include "base/descriptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "network_thread.h"

namespace corbel::http {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kTurnedAwayAtMost = 64;  // told so at the same time; more are just closed
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

std::string addressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
      ::inet_ntop(AF_INET, &ipv6.sin6_addr.s6_addr[12], text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
    }
  }
  return text;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

}  // namespace

Result<Address> Address::take(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const bool isBracketed = host.starts_with('[') && host.ends_with(']');
  const std::string name = isBracketed ? host.substr(1, host.size() - 2) : host;
  const int lookup = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  if (host.empty() || lookup != 0) {
    return fail(
        ErrorCode::failedPrecondition,
        "cannot listen on " + shown(host, port) +
            ": the host must be an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::",
        lookup != 0 ? ::gai_strerror(lookup) : "");
  }
  Descriptor socket(::socket(addresses->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return cannotListen(host, port, errno);
  setOptions(socket);
  if (addresses->ai_family == AF_INET6) setOption(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::bind(socket.number(), addresses->ai_addr, addresses->ai_addrlen) != 0 ||
      ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
    return cannotListen(host, port, errno);
  }
  return Address{.host = host, .port = portOf(bound), .socket = std::move(socket)};
}

Result<void> listenOn(const Address& address) {
  if (::listen(address.socket.number(), kBacklog) == 0) return {};
  return cannotListen(address.host, address.port, errno);
}

Listener::Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
                   Address address)
    : state_(state),
      threads_(threads),
      socket_(std::move(address.socket)),
      reserve_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      port_(address.port) {
  threads_.front()->loop().watch(socket_.number(), EPOLLIN, *this);
}

// Level-triggered: what is not accepted now is reported again.
void Listener::onEvents(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && socket_ && acceptOne(); ++i) {
  }
}

void Listener::close() {
  for (int i = 0; i < kBacklog && acceptOne(); ++i) {
  }
  socket_.close();
}

bool Listener::acceptOne() {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  Descriptor socket(::accept4(socket_.number(), reinterpret_cast<sockaddr*>(&address), &length,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket) {
    admit(std::move(socket), addressText(address));
    return true;
  }
  if (errno == EMFILE || errno == ENFILE) {
    makeRoomByRefusing();
    return false;
  }
  return errno == ECONNABORTED || errno == EINTR;
}

void Listener::admit(Descriptor socket, std::string remoteAddress) {
  ++state_.accepted;
  auto entrance = Entrance::admitted;
  if (state_.connections >= state_.options.maxConnections) {
    ++state_.refused;
    if (state_.turnedAway >= kTurnedAwayAtMost) return;
    entrance = Entrance::turnedAway;
  }
  ++(entrance == Entrance::admitted ? state_.connections : state_.turnedAway);
  const auto& thread = *std::ranges::min_element(
      threads_, {}, [](const auto& candidate) { return candidate->load(); });
  thread->adopt(std::move(socket), std::move(remoteAddress), entrance);
}

// Without this the connection would stay in the queue and be reported for ever.
void Listener::makeRoomByRefusing() {
  reserve_.close();
  Descriptor(::accept4(socket_.number(), nullptr, nullptr, SOCK_CLOEXEC)).close();
  reserve_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ++state_.refused;
}

}  // namespace corbel::http
