#include "http/server.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "bind.h"
#include "event_loop.h"
#include "http/exchange.h"
#include "listener.h"
#include "network_thread.h"
#include "open_files.h"
#include "tls.h"

namespace corbel::http {
namespace {

class HttpServer final : public Server {
 public:
  HttpServer(const ServerOptions& options, Service& service, const Clock& clock,
             std::vector<std::shared_ptr<EventLoop>> loops,
             std::vector<std::unique_ptr<TlsContext>> certificates)
      : certificates_(std::move(certificates)), state_(options, service, clock) {
    for (auto& loop : loops) {
      threads_.push_back(std::make_unique<NetworkThread>(state_, std::move(loop)));
    }
  }
  ~HttpServer() override { drain(Deadline::at(SteadyTime::min())); }

  Result<void> listen(std::vector<Bound> sockets) {
    ports_.push_back(sockets.front().port);
    for (Bound& bound : sockets) {
      CORBEL_TRY(auto listener, Listener::start(state_, threads_, std::move(bound)));
      listeners_.push_back(std::move(listener));
    }
    return {};
  }

  std::uint16_t port(std::size_t endpoint) const override { return ports_.at(endpoint); }
  ServerStats stats() const override {
    return {state_.connections, state_.accepted, state_.refused, state_.options.maxConnections,
            state_.bodyMemory->taken()};
  }
  void drain(Deadline deadline) override;

  Result<bool> refreshCertificates() override {
    bool any = false;
    for (const auto& certificate : certificates_) {
      CORBEL_TRY(const bool changed, certificate->refresh());
      any |= changed;
    }
    return any;
  }

 private:
  const std::vector<std::unique_ptr<TlsContext>> certificates_;
  ServerState state_;
  std::vector<std::unique_ptr<NetworkThread>> threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // all on the first thread
  std::vector<std::uint16_t> ports_;                  // of the endpoints
  Mutex draining_;
};

Result<std::vector<Bound>> bind(const Endpoint& endpoint) {
  if (endpoint.unixPath.empty()) return bindTo(endpoint.host, endpoint.port);
  CORBEL_TRY(Bound bound, bindUnix(endpoint.unixPath, endpoint.unixMode));
  std::vector<Bound> one;
  one.push_back(std::move(bound));
  return one;
}

// How soon drain() notices that the last connection has closed.
constexpr std::chrono::milliseconds kDrainPoll{5};

void HttpServer::drain(Deadline deadline) {
  MutexLock lock(draining_);
  if (threads_.empty()) return;
  state_.draining = true;
  std::latch closed(1);
  threads_.front()->loop().post([&] {
    for (const auto& listener : listeners_) listener->close();
    closed.count_down();
  });
  closed.wait();
  for (auto& thread : threads_) thread->drain();
  while (state_.connections > 0 && !deadline.expired(state_.clock)) {
    std::this_thread::sleep_for(kDrainPoll);
  }
  threads_.clear();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Service& service,
                                              const Clock& clock) {
  ServerOptions fitting = options;
  fitting.maxConnections = connectionsWithin(raiseOpenFiles(), options.maxConnections);
  std::vector<std::vector<Bound>> sockets;
  std::vector<std::unique_ptr<TlsContext>> certificates;
  for (const Endpoint& endpoint : options.endpoints) {
    const TlsContext* tls = nullptr;
    if (endpoint.tls) {
      CORBEL_TRY(auto certificate, TlsContext::load(*endpoint.tls));
      tls = certificates.emplace_back(std::move(certificate)).get();
    }
    CORBEL_TRY(auto bound, bind(endpoint));
    for (Bound& socket : bound) socket.tls = tls;
    sockets.push_back(std::move(bound));
  }
  std::vector<std::shared_ptr<EventLoop>> loops;
  for (unsigned i = 0; i < std::max(1U, options.threads); ++i) {
    CORBEL_TRY(auto loop, EventLoop::create(clock));
    loops.push_back(std::move(loop));
  }
  try {
    auto server = std::make_unique<HttpServer>(fitting, service, clock, std::move(loops),
                                               std::move(certificates));
    for (auto& bound : sockets) CORBEL_CHECK(server->listen(std::move(bound)));
    return server;
  } catch (const std::exception& exception) {
    return fail(ErrorCode::internal, "cannot start the network threads", exception.what());
  }
}

}  // namespace corbel::http
