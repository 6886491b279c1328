// The listening socket: accepts connections and deals them out to the network threads.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "event_loop.h"
#include "http/server.h"
#include "network_thread.h"

namespace corbel::http {

// failed_precondition: as Address::take.
Result<void> listenOn(const Address& address);

// Belongs to the first of `threads`. Each connection goes to the thread with the fewest, so that a
// handful of long-lived connections is spread evenly (SO_REUSEPORT spreads by hash, which leaves
// threads idle).
class Listener final : public EventLoop::Watcher {
 public:
  Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
           Address address);

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
