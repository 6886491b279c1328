#include "listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "bind.h"
#include "network_thread.h"

namespace corbel::http {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kTurnedAwayAtMost = 64;  // told so at the same time; more are just closed
std::string addressText(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) return "unix";
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

std::optional<UnixCredentials> credentialsOf(const Descriptor& socket) {
  ucred known{};
  socklen_t length = sizeof known;
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_PEERCRED, &known, &length) != 0) return {};
  return UnixCredentials{known.pid, known.uid, known.gid};
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::start(
    ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
    ListeningSocket socket) {
  std::unique_ptr<Listener> listener(new Listener(state, threads, std::move(socket)));
  if (!listener->watch()) {
    return fail(ErrorCode::internal, "cannot wait for connections",
                std::generic_category().message(errno));
  }
  return listener;
}

Listener::Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
                   ListeningSocket socket)
    : state_(state), threads_(threads), socket_(std::move(socket)) {}

Listener::~Listener() { removeFile(); }

// Before the socket is closed: from then on the path may be a successor's.
void Listener::removeFile() {
  if (!socket_.path.empty()) ::unlink(std::exchange(socket_.path, {}).c_str());
}

// Level-triggered: what is not accepted now is reported again.
bool Listener::watch() { return loop().watch(socket_.socket.number(), EPOLLIN, *this); }

void Listener::onEvents(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && socket_.socket && acceptOne(); ++i) {
  }
}

// A connection that cannot be accepted stays in the queue and would be reported for ever.
void Listener::pause() {
  if (paused_) return;
  loop().atNextTick([this] { resume(); });
  loop().unwatch(socket_.socket.number());
  paused_ = true;
}

void Listener::resume() {
  paused_ = false;
  if (socket_.socket && !watch()) pause();
}

void Listener::close() {
  for (int i = 0; i < kBacklog && acceptOne(); ++i) {
  }
  loop().unwatch(socket_.socket.number());
  removeFile();
  socket_.socket.close();
}

bool Listener::acceptOne() {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  Descriptor socket(::accept4(socket_.socket.number(), reinterpret_cast<sockaddr*>(&address),
                              &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket) {
    Arrival arrival{
        .socket = std::move(socket), .address = addressText(address), .tls = socket_.tls};
    if (address.ss_family == AF_UNIX) arrival.credentials = credentialsOf(arrival.socket);
    admit(std::move(arrival));
    return true;
  }
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    pause();
    return false;
  }
  return errno == ECONNABORTED || errno == EINTR;
}

void Listener::admit(Arrival arrival) {
  ++state_.accepted;
  if (state_.connections >= state_.options.maxConnections) {
    ++state_.refused;
    if (state_.turnedAway >= kTurnedAwayAtMost) return;
    arrival.entrance = Entrance::turnedAway;
  }
  ++(arrival.entrance == Entrance::admitted ? state_.connections : state_.turnedAway);
  const auto& thread = *std::ranges::min_element(
      threads_, {}, [](const auto& candidate) { return candidate->load(); });
  thread->adopt(std::move(arrival));
}

}  // namespace corbel::http
