// For tests: a server on this machine that counts who connects.
#pragma once
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"

namespace corbel::net {

// Answers every connection with the same bytes.
class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)) {
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t length = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, generic, length) != 0 || listen(listener_, 8) != 0 ||
        getsockname(listener_, generic, &length) != 0) {
      ADD_FAILURE() << "cannot listen";
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string url(std::string_view host = "127.0.0.1") const {
    return fmt::format("http://{}:{}/keys", host, port_);
  }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  // The last one that came.
  std::string request() const {
    const MutexLock lock(mutex_);
    return request_;
  }

 private:
  void serve() {
    for (int peer = accept(listener_, nullptr, nullptr); peer >= 0;
         peer = accept(listener_, nullptr, nullptr)) {
      ++connections_;
      const std::string request = receive(peer);
      keep(request);
      if (!request.empty()) send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      // An empty answer is a server that never speaks: it waits until the client has gone.
      char rest[4096];
      if (answer_.empty()) recv(peer, rest, sizeof rest, 0);
      shutdown(peer, SHUT_WR);
      while (recv(peer, rest, sizeof rest, 0) > 0) {
      }
      close(peer);
    }
  }

  // All of a request with its body, or as much as comes: an answer ahead of the body would end the
  // exchange before the client has sent it.
  static std::string receive(int peer) {
    std::string request;
    char chunk[4096];
    while (!isWhole(request)) {
      const auto length = recv(peer, chunk, sizeof chunk, 0);
      if (length <= 0) break;
      request.append(chunk, static_cast<std::size_t>(length));
    }
    return request;
  }

  static bool isWhole(std::string_view request) {
    constexpr char kTlsHandshake = 0x16;
    if (request.starts_with(kTlsHandshake)) return true;
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t end = request.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    std::string_view head = request.substr(0, end);
    const std::size_t at = head.find(kLength);
    if (at == std::string_view::npos) return true;
    head.remove_prefix(at + kLength.size());
    return request.size() >= end + 4 + parseNumber<std::size_t>(takeUntil(head, '\r')).value_or(0);
  }

  void keep(std::string request) {
    const MutexLock lock(mutex_);
    request_ = std::move(request);
  }

  const std::string answer_;
  mutable Mutex mutex_;
  std::string request_ CORBEL_GUARDED_BY(mutex_);
  const int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::jthread thread_;
};

}  // namespace corbel::net
