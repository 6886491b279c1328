// WebSockets (RFC 6455) without extensions: permessage-deflate is not offered.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/message.h"

namespace corbel::http {

// RFC 6455, 7.4.1. Applications have 4000 to 4999 for themselves.
enum class CloseCode : std::uint16_t {
  normal = 1000,
  goingAway = 1001,
  protocolError = 1002,
  noStatus = 1005,  // never sent: the peer gave none
  abnormal = 1006,  // never sent: the connection ended without a close frame
  notUtf8 = 1007,
  policyViolation = 1008,
  tooLarge = 1009,
  internalError = 1011,
  tryAgainLater = 1013
};

// The sending side of one WebSocket. Thread-safe; may be kept after the end, then nothing is sent.
class WebSocket {
 public:
  // What waits to be written, at most. A client that reads more slowly than is sent is cut off.
  static constexpr std::size_t kQueueBytes = 256 * limits::kKiB;

  virtual ~WebSocket() = default;
  // Text must be UTF-8. false: the socket is closing or closed.
  virtual bool sendText(std::string_view text) = 0;
  virtual bool sendBinary(std::string_view bytes) = 0;
  // After what was sent before. The reason may have 123 bytes.
  virtual void close(CloseCode code, std::string_view reason) = 0;
};

// What the other side of one WebSocket says. Called on the connection's network thread, one call at
// a time: must not block. What it throws closes the socket (internalError). Let go after onClose(),
// so that it may keep the socket.
class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  virtual void onOpen(std::shared_ptr<WebSocket> socket) = 0;
  // A whole message; the view is valid during the call.
  virtual void onText(std::string_view text) = 0;
  virtual void onBinary(std::string_view bytes) = 0;
  // The last call.
  virtual void onClose(CloseCode code, std::string_view reason) = 0;
};

// Whether `head` asks for a WebSocket as RFC 6455, 4.2.1 says. invalid_argument: the message names
// the header.
Result<void> requireWebSocket(const RequestHead& head);

// 101, after which the handler has the connection.
Response webSocketResponse(const RequestHead& head, WebSocketUpgrade upgrade);

}  // namespace corbel::http
