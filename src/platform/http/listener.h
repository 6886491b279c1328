// A listening socket: accepts connections and deals them out to the network threads.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "event_loop.h"
#include "network_thread.h"

namespace corbel::http {

struct Bound {
  Descriptor socket;
  std::uint16_t port = 0;
};

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

// All addresses that `host` means, on one port: a name may stand for an IPv4 and an IPv6 address,
// and clients try either. One that this machine does not have is left out unless it is the last.
// failed_precondition: an address cannot be bound; the message names it and says what to do.
Result<std::vector<Bound>> bindTo(const std::string& host, std::uint16_t port);
// The same when the addresses are known; `host` is for messages.
Result<std::vector<Bound>> bindAll(std::vector<SocketAddress> addresses, const std::string& host,
                                   std::uint16_t port);

// Belongs to the first of `threads`. Each connection goes to the thread with the fewest, so that a
// handful of long-lived connections is spread evenly (SO_REUSEPORT spreads by hash, which leaves
// threads idle). Without descriptors it pauses: who waits in the kernel's queue is accepted when
// there are some again.
class Listener final : public EventLoop::Watcher {
 public:
  std::uint16_t port() const { return port_; }
  // internal: the kernel cannot watch the socket.
  static Result<std::unique_ptr<Listener>> start(
      ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads, Bound bound);

  // On the first thread. Takes what has reached the kernel's queue: closing resets what is still in
  // there.
  void close();
  void onEvents(std::uint32_t events) override;

 private:
  Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads, Bound bound);
  EventLoop& loop() { return threads_.front()->loop(); }
  bool watch();
  void pause();
  void resume();
  // False: nothing waits, or there is no descriptor for it.
  bool acceptOne();
  void admit(Descriptor socket, std::string remoteAddress);

  ServerState& state_;
  std::vector<std::unique_ptr<NetworkThread>>& threads_;
  Descriptor socket_;
  bool paused_ = false;
  const std::uint16_t port_;
};

}  // namespace corbel::http
