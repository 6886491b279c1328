// The listening socket: accepts connections and deals them out to the network threads.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "descriptor.h"
#include "event_loop.h"
#include "network_thread.h"

namespace corbel::http {

struct Bound {
  Descriptor socket;
  std::uint16_t port = 0;
};

// failed_precondition: the address cannot be bound; the message names it and says what to do.
Result<Bound> bindTo(const std::string& host, std::uint16_t port);

// Belongs to the first of `threads`. Each connection goes to the thread with the fewest, so that a
// handful of long-lived connections is spread evenly (SO_REUSEPORT spreads by hash, which leaves
// threads idle).
class Listener final : public EventLoop::Watcher {
 public:
  Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads, Bound bound);

  std::uint16_t port() const { return port_; }
  // On the first thread. Takes what has reached the kernel's queue: closing resets what is still in
  // there.
  void close();
  void onEvents(std::uint32_t events) override;

 private:
  // False: nothing waits, or there is no descriptor for it.
  bool acceptOne();
  void admit(Descriptor socket, std::string remoteAddress);
  void makeRoomByRefusing();

  ServerState& state_;
  std::vector<std::unique_ptr<NetworkThread>>& threads_;
  Descriptor socket_;
  Descriptor reserve_;  // closed for a moment when there are no descriptors left
  const std::uint16_t port_;
};

}  // namespace corbel::http
