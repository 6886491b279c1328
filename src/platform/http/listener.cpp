#include "listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
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
#include "network_thread.h"

namespace corbel::http {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr int kPortAttempts = 16;
constexpr std::size_t kTurnedAwayAtMost = 64;  // told so at the same time; more are just closed
// What the kernel holds back of a response that the client does not read.
constexpr int kUnsentAtMost = 128 * limits::kKiB;

std::string shown(const std::string& host, std::uint16_t port) {
  const bool isIpv6 = host.contains(':');
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

void setPort(SocketAddress& address, std::uint16_t port) {
  (address.bytes.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address.bytes).sin6_port
                                       : reinterpret_cast<sockaddr_in&>(address.bytes).sin_port) =
      htons(port);
}

// errno when it fails. An IPv6 socket takes IPv4 connections too where it is the only one.
std::expected<Bound, int> bindOne(const SocketAddress& address, int onlyIpv6) {
  const int family = address.bytes.ss_family;
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return std::unexpected(errno);
  setOptions(socket);
  if (family == AF_INET6) setOption(socket, IPPROTO_IPV6, IPV6_V6ONLY, onlyIpv6);
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address.bytes), address.length) !=
          0 ||
      ::listen(socket.number(), kBacklog) != 0 ||
      ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
    return std::unexpected(errno);
  }
  return Bound{std::move(socket), portOf(bound)};
}

bool isAbsent(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

std::expected<std::vector<Bound>, int> tryBind(std::vector<SocketAddress>& addresses,
                                               std::uint16_t port) {
  std::vector<Bound> all;
  int absent = EADDRNOTAVAIL;
  for (SocketAddress& address : addresses) {
    setPort(address, all.empty() ? port : all.front().port);
    auto bound = bindOne(address, addresses.size() > 1 ? 1 : 0);
    if (bound) {
      all.push_back(std::move(*bound));
    } else if (isAbsent(bound.error())) {
      absent = bound.error();
    } else {
      return std::unexpected(bound.error());
    }
  }
  if (all.empty()) return std::unexpected(absent);
  return all;
}

}  // namespace

Result<std::vector<Bound>> bindTo(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int lookup = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  if (host.empty() || lookup != 0) {
    return fail(
        ErrorCode::failedPrecondition,
        "cannot listen on " + shown(host, port) +
            ": the host must be an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::",
        lookup != 0 ? ::gai_strerror(lookup) : "");
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.bytes, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
  }
  return bindAll(std::move(addresses), host, port);
}

Result<std::vector<Bound>> bindAll(std::vector<SocketAddress> addresses, const std::string& host,
                                   std::uint16_t port) {
  for (int attempt = 1;; ++attempt) {
    auto bound = tryBind(addresses, port);
    if (bound) return *std::move(bound);
    // The free port that the first address was given may be taken on the next.
    const bool again = port == 0 && bound.error() == EADDRINUSE && attempt < kPortAttempts;
    if (!again) return cannotListen(host, port, bound.error());
  }
}

Result<std::unique_ptr<Listener>> Listener::start(
    ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads, Bound bound) {
  std::unique_ptr<Listener> listener(new Listener(state, threads, std::move(bound)));
  if (!listener->watch()) {
    return fail(ErrorCode::internal, "cannot wait for connections",
                std::generic_category().message(errno));
  }
  return listener;
}

Listener::Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
                   Bound bound)
    : state_(state), threads_(threads), socket_(std::move(bound.socket)), port_(bound.port) {}

// Level-triggered: what is not accepted now is reported again.
bool Listener::watch() { return loop().watch(socket_.number(), EPOLLIN, *this); }

void Listener::onEvents(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && socket_ && acceptOne(); ++i) {
  }
}

// A connection that cannot be accepted stays in the queue and would be reported for ever.
void Listener::pause() {
  if (paused_) return;
  loop().atNextTick([this] { resume(); });
  loop().unwatch(socket_.number());
  paused_ = true;
}

void Listener::resume() {
  paused_ = false;
  if (socket_ && !watch()) pause();
}

void Listener::close() {
  for (int i = 0; i < kBacklog && acceptOne(); ++i) {
  }
  loop().unwatch(socket_.number());
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
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    pause();
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

}  // namespace corbel::http
