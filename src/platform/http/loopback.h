// For the tests of this folder: a client that speaks raw bytes, a service made of functions, and a
// server for both.
#pragma once
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/limits.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/text.h"
#include "http/exchange.h"
#include "http/message.h"
#include "http/server.h"

namespace corbel::http {

struct Received {
  int status = 0;
  std::string head;
  std::string body;

  std::string header(std::string_view name) const {
    std::string_view rest = head;
    while (!rest.empty()) {
      std::string_view line = takeUntil(rest, '\n');
      const auto key = takeUntil(line, ':');
      if (equalsIgnoringCase(key, name)) return std::string(trim(line.substr(0, line.size() - 1)));
    }
    return {};
  }
};

class Client {
 public:
  // `window`: bytes that the kernel takes from the server before they are read; 0: as many as it
  // likes.
  explicit Client(std::uint16_t port, int window = 0) : Client(AF_INET) {
    if (window > 0) {
      ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    }
    connect(port);
  }
  // Of a Unix socket.
  explicit Client(const std::string& path) : Client(AF_UNIX) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ =
        ::connect(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  explicit Client(int family = AF_INET) : socket_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const int on = 1;
    ::setsockopt(socket_.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  void connect(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  // Its own.
  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(socket_.number(), reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void finishSending() { ::shutdown(socket_.number(), SHUT_WR); }
  // The server sees a reset, not an orderly end.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_.close();
  }
  void close() { socket_.close(); }
  // false: nothing came for so long.
  bool hears(std::chrono::milliseconds patience) const {
    pollfd polled{.fd = socket_.number(), .events = POLLIN, .revents = 0};
    return ::poll(&polled, 1, static_cast<int>(patience.count())) > 0;
  }
  // The next `bytes` as they come. false: the server closed first.
  bool skip(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      if (!receive(std::min<std::size_t>(bytes - buffer_.size(), 4096))) return false;
    }
    buffer_.erase(0, bytes);
    return true;
  }

  // The next response. Status 0: the server closed first.
  Received read(std::string_view toMethod = "GET") {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return {};
    }
    Received received{.head = buffer_.substr(0, end + 4), .body = {}};
    buffer_.erase(0, end + 4);
    received.status = parseNumber<int>(received.head.substr(9, 3)).value_or(0);
    const auto length = parseNumber<std::size_t>(received.header("Content-Length")).value_or(0);
    while (toMethod != "HEAD" && buffer_.size() < length) {
      if (!receive()) return {};
    }
    if (toMethod != "HEAD") received.body = buffer_.substr(0, length), buffer_.erase(0, length);
    return received;
  }
  Received ask(std::string_view request) { return send(request) ? read() : Received(); }
  // The next bytes; fewer: the server closed first.
  std::string take(std::size_t bytes) {
    while (buffer_.size() < bytes && receive()) {
    }
    std::string taken = buffer_.substr(0, bytes);
    buffer_.erase(0, taken.size());
    return taken;
  }
  // Of a chunked body; empty: it was the last.
  std::string readChunk() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!receive()) return {};
    }
    const auto size = std::stoul(buffer_.substr(0, end), nullptr, 16);
    while (buffer_.size() < end + 2 + size + 2) {
      if (!receive()) return {};
    }
    std::string chunk = buffer_.substr(end + 2, size);
    buffer_.erase(0, end + 2 + size + 2);
    return chunk;
  }
  std::string readChunks() {
    std::string all;
    for (std::string chunk; !(chunk = readChunk()).empty();) all += chunk;
    return all;
  }
  // Waits for the end. false: bytes came instead.
  bool closedByServer() { return buffer_.empty() && !receive(); }

 private:
  bool receive(std::size_t atMost = 65536) {
    char bytes[65536];
    const auto length = ::recv(socket_.number(), bytes, atMost, 0);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      ADD_FAILURE() << "the server does not answer";
    if (length <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(length));
    return true;
  }

  Descriptor socket_;
  bool connected_ = false;
  std::string buffer_;
};

inline Response text(std::string body, int status = 200) {
  return {.status = status, .contentType = "text/plain", .headers = {}, .body = std::move(body)};
}

// Reads every body and answers with what it got, unless told otherwise.
class ScriptedService final : public Service {
 public:
  using Step = std::function<void(const std::shared_ptr<Exchange>&)>;
  Step head = [](const auto& exchange) {
    exchange->readBody({.maxBytes = limits::kJsonBody, .sink = {}});
  };
  Step body = [](const auto& exchange) {
    exchange->complete(text(std::string(name(exchange->head().method)) + " " +
                            std::string(exchange->head().target) + " " +
                            std::string(exchange->body())));
  };

  void onHead(const std::shared_ptr<Exchange>& exchange) override { head(exchange); }
  void onBody(const std::shared_ptr<Exchange>& exchange) override { body(exchange); }
  void onSent(Exchange&, const Sent& sent) override {
    MutexLock lock(mutex_);
    sent_.push_back(sent);
    changed_.notify_all();
  }
  std::function<void()> unreadable = [] {};
  Response onUnreadable(const Error& error, const RequestHead&, Exchange*) override {
    unreadable();
    static constexpr std::pair<ErrorCode, int> kStatus[] = {
        {ErrorCode::invalidArgument, 400},    {ErrorCode::methodNotAllowed, 405},
        {ErrorCode::requestTimeout, 408},     {ErrorCode::payloadTooLarge, 413},
        {ErrorCode::headerTooLarge, 431},     {ErrorCode::unavailable, 503},
        {ErrorCode::insufficientStorage, 507}};
    for (const auto& [code, status] : kStatus) {
      if (code == error.code) return text(error.message, status);
    }
    return text(error.message, 500);
  }

  std::size_t sentSoFar() {
    const MutexLock lock(mutex_);
    return sent_.size();
  }
  // The outcome of the first `count` exchanges, when they have ended.
  std::vector<Sent> waitForSent(std::size_t count) {
    MutexLock lock(mutex_);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (sent_.size() < count) {
      if (!lock.waitUntil(changed_, until)) {
        ADD_FAILURE() << "only " << sent_.size() << " exchanges have ended";
        break;
      }
    }
    return sent_;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<Sent> sent_ CORBEL_GUARDED_BY(mutex_);
};

// A value that one thread sets and another waits for.
template <class T>
class Promised {
 public:
  void set(T value) {
    MutexLock lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  T wait() {
    MutexLock lock(mutex_);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!value_) {
      if (!lock.waitUntil(changed_, until)) {
        ADD_FAILURE() << "nothing was set";
        return T();
      }
    }
    return std::move(*std::exchange(value_, std::nullopt));
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_ CORBEL_GUARDED_BY(mutex_);
};

template <class TimeSource = SystemClock>
class ServerTestWith : public testing::Test {
 protected:
  ~ServerTestWith() override { server_.reset(); }
  void start() {
    if (options.endpoints.size() == 1 && options.endpoints[0].unixPath.empty()) {
      options.endpoints[0].port = 0;
    }
    auto started = Server::start(options, service, clock);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  Result<std::unique_ptr<Server>> tryStart() { return Server::start(options, service, clock); }
  Server& server() {
    if (!server_) start();
    return *server_;
  }
  Client connect() { return Client(server().port()); }
  void stop() { server_.reset(); }

  ServerOptions options;
  ScriptedService service;
  TimeSource clock;

 private:
  std::unique_ptr<Server> server_;
};
using ServerTest = ServerTestWith<>;
using TimedServerTest = ServerTestWith<ManualClock>;

}  // namespace corbel::http
