// One WebSocket on a connection: what comes in goes to its handler, what goes out waits in a queue.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "byte_budget.h"
#include "http/message.h"
#include "http/web_socket.h"
#include "web_socket_frames.h"

namespace corbel::http {

// Of WebSocket's functions, any thread; all others on the connection's.
class WebSocketSession final : public WebSocket,
                               public std::enable_shared_from_this<WebSocketSession> {
 public:
  // `ready` is called, on any thread, when there is something to pull again.
  WebSocketSession(const WebSocketUpgrade& upgrade, std::shared_ptr<ByteBudget> memory,
                   std::function<void()> ready)
      : handler_(upgrade.handler),
        reader_(upgrade.maxMessage, std::move(memory)),
        ready_(std::move(ready)) {}

  bool sendText(std::string_view text) override;
  bool sendBinary(std::string_view bytes) override;
  void close(CloseCode code, std::string_view reason) override CORBEL_EXCLUDES(mutex_);

  void open();
  // Everything that came; after a close frame or an error the rest is not looked at.
  void receive(std::string_view bytes);
  void ping();
  // As BodySource::pull: end when a close frame was the last.
  BodySource::Pull pull(std::string& out, std::size_t atMost) CORBEL_EXCLUDES(mutex_);
  // Tells the handler, once.
  void end() CORBEL_EXCLUDES(mutex_);

 private:
  enum class State : std::uint8_t { open, closing, failed };
  struct Ending {
    CloseCode code;
    std::string reason;
  };

  bool send(Opcode opcode, std::string_view payload) CORBEL_EXCLUDES(mutex_);
  void hear(const Incoming& incoming);
  void finish(CloseCode code, std::string_view reason, std::string_view payload)
      CORBEL_EXCLUDES(mutex_);

  std::shared_ptr<WebSocketHandler> handler_;  // until the end: it may hold this
  FrameReader reader_;
  const std::function<void()> ready_;
  bool deaf_ = false;  // nothing more is read
  Mutex mutex_;
  State state_ CORBEL_GUARDED_BY(mutex_) = State::open;
  bool waiting_ CORBEL_GUARDED_BY(mutex_) = false;  // to be told that there is more
  std::string queue_ CORBEL_GUARDED_BY(mutex_);
  std::size_t taken_ CORBEL_GUARDED_BY(mutex_) = 0;  // from the front of the queue
  std::optional<Ending> ending_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::http
