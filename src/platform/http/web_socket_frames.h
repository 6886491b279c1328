// The frames of a WebSocket (RFC 6455, 5): messages out of what a client sends, and what a server
// sends.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "byte_budget.h"
#include "http/web_socket.h"

namespace corbel::http {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

// Appends one unmasked, unfragmented frame.
void appendFrame(std::string& out, Opcode opcode, std::string_view payload);
// The reason is cut to what fits a control frame, between two characters.
void appendCloseFrame(std::string& out, CloseCode code, std::string_view reason);

// A whole message, or a control frame.
struct Incoming {
  Opcode opcode;             // never continuation
  std::string_view payload;  // of a close: the reason. Valid until the next call of next()
  CloseCode code = CloseCode::noStatus;
};

class FrameReader {
 public:
  // Messages of up to `maxMessage` bytes, which count against `memory`.
  FrameReader(std::size_t maxMessage, std::shared_ptr<ByteBudget> memory)
      : maxMessage_(maxMessage), memory_(std::move(memory)) {}

  // Takes from the front of `bytes` until something is whole; nothing: all were taken. An error is
  // the code to close with: protocolError, notUtf8, tooLarge or tryAgainLater; then there is
  // nothing to be read any more.
  std::expected<std::optional<Incoming>, CloseCode> next(std::string_view& bytes);

 private:
  using Checked = std::expected<void, CloseCode>;
  bool takeHeader(std::string_view& bytes);
  Checked beginFrame();
  std::uint64_t payloadLength() const;
  Checked takePayload(std::string_view& bytes);
  Checked reserve(std::size_t bytes);
  std::expected<std::optional<Incoming>, CloseCode> endFrame();
  std::expected<std::optional<Incoming>, CloseCode> endMessage();
  std::expected<std::optional<Incoming>, CloseCode> endClose() const;
  void dropDelivered();
  bool isControl() const { return static_cast<std::uint8_t>(opcode_) >= 8; }

  const std::size_t maxMessage_;
  ByteBudget::Share memory_;
  std::array<unsigned char, 14> header_{};
  std::size_t headerBytes_ = 0;
  bool inPayload_ = false;
  bool final_ = false;
  Opcode opcode_ = Opcode::text;
  std::uint64_t left_ = 0;  // of the frame's payload
  std::array<char, 4> mask_{};
  std::size_t maskAt_ = 0;
  std::optional<Opcode> fragmented_;  // kind of a message whose last frame has not come yet
  bool delivered_ = false;            // what message_ holds
  std::string message_;
  std::string control_;
};

}  // namespace corbel::http
