// For tests: stands between a client and a PostgreSQL server, cuts the connection at a COMMIT,
// takes no new one, or takes everything and passes nothing on.
#pragma once
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/descriptor.h"

namespace corbel::store {

class CuttingProxy {
 public:
  enum class Cut : std::uint8_t { no, beforeTheCommit, afterTheCommit };

  // A server on 127.0.0.1.
  explicit CuttingProxy(std::string url) : url_(std::move(url)) {
    const std::size_t port = url_.find("127.0.0.1:") + 10;
    serverPort_ = static_cast<std::uint16_t>(std::atoi(url_.c_str() + port));
    listener_ = Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    static_cast<void>(
        bind(listener_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address));
    static_cast<void>(listen(listener_.number(), 16));
    socklen_t length = sizeof address;
    getsockname(listener_.number(), reinterpret_cast<sockaddr*>(&address), &length);
    url_.replace(port, url_.find('/', port) - port, std::to_string(ntohs(address.sin_port)));
    acceptor_ = std::jthread([this](const std::stop_token& stop) { acceptAll(stop); });
  }
  ~CuttingProxy() {
    acceptor_.request_stop();
    acceptor_.join();
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  const std::string& url() const { return url_; }
  void cutOnce(Cut cut) { cut_ = cut; }
  int cuts() const { return cuts_; }
  void beSilent() { silent_ = true; }
  // Connections that were there meanwhile end: theirs would be half a conversation.
  void speakAgain() { silent_ = false; }
  void refuseNew() { refusesNew_ = true; }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  void acceptAll(const std::stop_token& stop) {
    std::vector<std::jthread> relays;
    while (!stop.stop_requested()) {
      pollfd waiting{.fd = listener_.number(), .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, 5) <= 0) continue;
      Descriptor client(accept(listener_.number(), nullptr, nullptr));
      if (refusesNew_) continue;
      relays.emplace_back(
          [this, stop, held = std::move(client)]() mutable { relay(stop, std::move(held)); });
    }
  }

  void relay(const std::stop_token& stop, Descriptor client) {
    const Descriptor server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(serverPort_);
    if (connect(server.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return;
    bool swallowAnswer = false;
    bool wasSilent = false;
    std::array<char, 65'536> bytes{};
    while (!stop.stop_requested()) {
      std::array<pollfd, 2> both{pollfd{.fd = client.number(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = server.number(), .events = POLLIN, .revents = 0}};
      if (poll(both.data(), both.size(), 5) <= 0) continue;
      const bool fromClient = both[0].revents != 0;
      const ssize_t got =
          read(fromClient ? client.number() : server.number(), bytes.data(), bytes.size());
      if (got <= 0 || (wasSilent && !silent_)) return;
      wasSilent = silent_;
      if (wasSilent) continue;
      const std::string_view text(bytes.data(), static_cast<std::size_t>(got));
      if (fromClient && text.find("COMMIT") != std::string_view::npos) {
        const Cut cut = cut_.exchange(Cut::no);
        cuts_ += cut == Cut::no ? 0 : 1;
        if (cut == Cut::beforeTheCommit) return;
        swallowAnswer = cut == Cut::afterTheCommit;
      } else if (!fromClient && swallowAnswer) {
        return;
      }
      if (write(fromClient ? server.number() : client.number(), text.data(), text.size()) != got)
        return;
    }
  }

  std::string url_;
  std::uint16_t serverPort_ = 0;
  Descriptor listener_;
  std::atomic<Cut> cut_ = Cut::no;
  std::atomic<int> cuts_ = 0;
  std::atomic<bool> silent_ = false;
  std::atomic<bool> refusesNew_ = false;
  std::jthread acceptor_;
};

}  // namespace corbel::store
