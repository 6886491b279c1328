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

  Result<void> listen(Address address, std::size_t endpoint) {
    ports_.push_back(address.port);
    for (Descriptor& socket : address.sockets) {
      CORBEL_TRY(auto listener, Listener::start(state_, threads_,
                                                {std::move(socket), address.endpoint.unixPath,
                                                 certificates_[endpoint].get()}));
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
      if (!certificate) continue;
      CORBEL_TRY(const bool changed, certificate->refresh());
      any |= changed;
    }
    return any;
  }

 private:
  const std::vector<std::unique_ptr<TlsContext>> certificates_;  // of the endpoints; null: plain
  ServerState state_;
  std::vector<std::unique_ptr<NetworkThread>> threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // all on the first thread
  std::vector<std::uint16_t> ports_;                  // of the endpoints
  Mutex draining_;
};

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

// One for each address; null where it has no TLS.
Result<std::vector<std::unique_ptr<TlsContext>>> certificatesOf(
    const std::vector<Address>& addresses) {
  std::vector<std::unique_ptr<TlsContext>> all(addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (const auto& files = addresses[i].endpoint.tls) {
      CORBEL_TRY(all[i], TlsContext::load(*files));
    }
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Service& service,
                                              const Clock& clock) {
  std::vector<Address> addresses;
  for (const Endpoint& endpoint : options.endpoints) {
    CORBEL_TRY(auto address, Address::take(endpoint));
    addresses.push_back(std::move(address));
  }
  return start(std::move(addresses), options, service, clock);
}

Result<std::unique_ptr<Server>> Server::start(Address address, const ServerOptions& options,
                                              Service& service, const Clock& clock) {
  std::vector<Address> one;
  one.push_back(std::move(address));
  return start(std::move(one), options, service, clock);
}

Result<std::unique_ptr<Server>> Server::start(std::vector<Address> addresses,
                                              const ServerOptions& options, Service& service,
                                              const Clock& clock) {
  ServerOptions fitting = options;
  fitting.maxConnections = connectionsWithin(raiseOpenFiles(), options.maxConnections);
  CORBEL_TRY(auto certificates, certificatesOf(addresses));
  std::vector<std::shared_ptr<EventLoop>> loops;
  for (unsigned i = 0; i < std::max(1U, options.threads); ++i) {
    CORBEL_TRY(auto loop, EventLoop::create(clock));
    loops.push_back(std::move(loop));
  }
  for (const Address& address : addresses) CORBEL_CHECK(listenOn(address));
  try {
    auto server = std::make_unique<HttpServer>(fitting, service, clock, std::move(loops),
                                               std::move(certificates));
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      CORBEL_CHECK(server->listen(std::move(addresses[i]), i));
    }
    return server;
  } catch (const std::exception& exception) {
    return fail(ErrorCode::internal, "cannot start the network threads", exception.what());
  }
}

}  // namespace corbel::http
