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
  // What came first on the last connection.
  std::string request() const {
    const MutexLock lock(mutex_);
    return request_;
  }

 private:
  void serve() {
    for (int peer = accept(listener_, nullptr, nullptr); peer >= 0;
         peer = accept(listener_, nullptr, nullptr)) {
      ++connections_;
      std::string request(4096, '\0');
      const auto length = recv(peer, request.data(), request.size(), 0);
      keep(request.substr(0, static_cast<std::size_t>(std::max<ssize_t>(length, 0))));
      if (length > 0) send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      // An empty answer is a server that never speaks: it waits until the client has gone.
      if (answer_.empty()) recv(peer, request.data(), request.size(), 0);
      shutdown(peer, SHUT_WR);
      while (recv(peer, request.data(), request.size(), 0) > 0) {
      }
      close(peer);
    }
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
