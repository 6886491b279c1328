// A network thread: its event loop and the connections that live on it.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "byte_budget.h"
#include "connection.h"
#include "event_loop.h"
#include "http/server.h"
#include "response_writer.h"

namespace corbel::http {

// What the threads of one server share.
struct ServerState {
  ServerState(const ServerOptions& serverOptions, Service& answers, const Clock& time)
      : options(serverOptions),
        service(answers),
        clock(time),
        bodyMemory(std::make_shared<ByteBudget>(serverOptions.bodyMemory)) {}

  const ServerOptions options;
  Service& service;
  const Clock& clock;
  const std::shared_ptr<ByteBudget> bodyMemory;
  std::atomic<std::size_t> connections = 0;
  std::atomic<std::size_t> turnedAway = 0;  // still being told so
  std::atomic<std::uint64_t> accepted = 0;
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<bool> draining = false;
};

class TlsContext;

enum class Entrance : std::uint8_t { admitted, turnedAway };

// A connection as its listener accepted it.
struct Arrival {
  Descriptor socket;
  std::string address;
  std::optional<UnixCredentials> credentials = {};
  const TlsContext* tls = nullptr;
  Entrance entrance = Entrance::admitted;
};

class NetworkThread {
 public:
  NetworkThread(ServerState& state, std::shared_ptr<EventLoop> loop);
  // Closes what is open.
  ~NetworkThread();

  // From any thread.
  void adopt(Arrival arrival);
  void drain();
  std::size_t load() const { return load_; }  // connections given to it and not yet closed
  EventLoop& loop() { return *loop_; }

  // For its connections.
  const ServerState& state() const { return state_; }
  Service& service() { return state_.service; }
  std::shared_ptr<EventLoop> sharedLoop() const { return loop_; }
  const std::shared_ptr<ByteBudget>& bodyMemory() const { return state_.bodyMemory; }
  std::string_view date() { return date_.at(state_.clock.now()); }
  void onClosed(Connection& connection);

 private:
  void start(Arrival arrival);
  void sweep();
  void forget(Entrance entrance);

  struct Entry {
    std::shared_ptr<Connection> connection;
    Entrance entrance;
  };

  ServerState& state_;
  const std::shared_ptr<EventLoop> loop_;
  DateText date_;
  std::vector<Entry> connections_;
  std::atomic<std::size_t> load_ = 0;
  std::thread thread_;
};

}  // namespace corbel::http
