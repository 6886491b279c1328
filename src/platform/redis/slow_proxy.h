// For tests: stands between a client and a server on this machine and holds up what the server
// says.
#pragma once
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "redis_server.h"

namespace corbel::redis {

class SlowProxy {
 public:
  explicit SlowProxy(std::uint16_t serverPort) : serverPort_(serverPort) {
    sockaddr_in address = loopbackAddress(0);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_.number(), generic, size) != 0 || listen(listener_.number(), 32) != 0 ||
        getsockname(listener_.number(), generic, &size) != 0)
      ADD_FAILURE() << "cannot listen";
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this](const std::stop_token& stop) { acceptAll(stop); });
  }
  ~SlowProxy() {
    acceptor_.request_stop();
    acceptor_.join();
  }
  SlowProxy(const SlowProxy&) = delete;
  SlowProxy& operator=(const SlowProxy&) = delete;

  std::uint16_t port() const { return port_; }
  void delay(int milliseconds) { delayMs_ = milliseconds; }

 private:
  void acceptAll(const std::stop_token& stop) {
    std::vector<std::jthread> relays;
    while (!stop.stop_requested()) {
      pollfd waiting{.fd = listener_.number(), .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, 5) <= 0) continue;
      Descriptor client(accept(listener_.number(), nullptr, nullptr));
      relays.emplace_back(
          [this, stop, held = std::move(client)]() mutable { relay(stop, std::move(held)); });
    }
  }

  void relay(const std::stop_token& stop, Descriptor client) const {
    const Descriptor server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopbackAddress(serverPort_);
    if (connect(server.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return;
    std::array<char, 65'536> bytes{};
    while (!stop.stop_requested()) {
      std::array<pollfd, 2> both{pollfd{.fd = client.number(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = server.number(), .events = POLLIN, .revents = 0}};
      if (poll(both.data(), both.size(), 5) <= 0) continue;
      const bool fromClient = both[0].revents != 0;
      const int from = fromClient ? client.number() : server.number();
      const ssize_t got = read(from, bytes.data(), bytes.size());
      if (got <= 0) return;
      if (!fromClient) poll(nullptr, 0, delayMs_);
      const auto size = static_cast<std::size_t>(got);
      if (write(fromClient ? server.number() : client.number(), bytes.data(), size) != got) return;
    }
  }

  const std::uint16_t serverPort_;
  std::uint16_t port_ = 0;
  const Descriptor listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::atomic<int> delayMs_ = 0;
  std::jthread acceptor_;
};

}  // namespace corbel::redis
