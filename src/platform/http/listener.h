// A listening socket: accepts connections and deals them out to the network threads.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "event_loop.h"
#include "network_thread.h"

namespace corbel::http {

struct ListeningSocket {
  Descriptor socket;
  std::string path;       // of a Unix socket, else empty
  const TlsContext* tls;  // null: plain
};

// Belongs to the first of `threads`. Each connection goes to the thread with the fewest, so that a
// handful of long-lived connections is spread evenly (SO_REUSEPORT spreads by hash, which leaves
// threads idle). Without descriptors it pauses: who waits in the kernel's queue is accepted when
// there are some again.
class Listener final : public EventLoop::Watcher {
 public:
  ~Listener() override;
  // internal: the kernel cannot watch the socket.
  static Result<std::unique_ptr<Listener>> start(
      ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
      ListeningSocket socket);

  // On the first thread. Takes what has reached the kernel's queue: closing resets what is still in
  // there.
  void close();
  void onEvents(std::uint32_t events) override;

 private:
  Listener(ServerState& state, std::vector<std::unique_ptr<NetworkThread>>& threads,
           ListeningSocket socket);
  EventLoop& loop() { return threads_.front()->loop(); }
  bool watch();
  void removeFile();
  void pause();
  void resume();
  // False: nothing waits, or there is no descriptor for it.
  bool acceptOne();
  void admit(Arrival arrival);

  ServerState& state_;
  std::vector<std::unique_ptr<NetworkThread>>& threads_;
  ListeningSocket socket_;
  bool paused_ = false;
};

}  // namespace corbel::http
