#include "web_socket_frames.h"

#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"

namespace corbel::http {
namespace {

constexpr unsigned kFinal = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kMasked = 0x80;
constexpr std::size_t kControlMax = 125;                 // RFC 6455, 5.5
constexpr unsigned kLength16 = 126;                      // the length follows in 2 bytes
constexpr unsigned kLength64 = 127;                      // ... in 8
constexpr std::size_t kMessageKept = 64 * limits::kKiB;  // capacity

bool isUtf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

void appendBigEndian(std::string& out, std::uint64_t number, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(number >> shift & 0xff);
  }
}

// What an endpoint may send (RFC 6455, 7.4, and the registry of later ones).
bool mayBeSent(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

bool isKnown(unsigned opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

}  // namespace

void appendFrame(std::string& out, Opcode opcode, std::string_view payload) {
  out += static_cast<char>(kFinal | static_cast<unsigned>(opcode));
  if (payload.size() <= kControlMax) {
    out += static_cast<char>(payload.size());
  } else if (payload.size() <= 0xffff) {
    out += static_cast<char>(kLength16);
    appendBigEndian(out, payload.size(), 2);
  } else {
    out += static_cast<char>(kLength64);
    appendBigEndian(out, payload.size(), 8);
  }
  out += payload;
}

void appendCloseFrame(std::string& out, CloseCode code, std::string_view reason) {
  auto length = std::min(reason.size(), kControlMax - 2);
  while (length < reason.size() && length > 0 && (reason[length] & 0xc0) == 0x80) --length;
  std::string payload;
  appendBigEndian(payload, static_cast<std::uint16_t>(code), 2);
  payload += reason.substr(0, length);
  appendFrame(out, Opcode::close, payload);
}

std::expected<std::optional<Incoming>, CloseCode> FrameReader::next(std::string_view& bytes) {
  dropDelivered();
  while (true) {
    if (!inPayload_) {
      if (!takeHeader(bytes)) return std::nullopt;
      if (const auto begun = beginFrame(); !begun) return std::unexpected(begun.error());
    }
    if (const auto taken = takePayload(bytes); !taken) return std::unexpected(taken.error());
    if (left_ > 0) return std::nullopt;
    auto ended = endFrame();
    if (!ended || *ended) return ended;
  }
}

void FrameReader::dropDelivered() {
  if (!std::exchange(delivered_, false)) return;
  message_.clear();
  if (message_.capacity() <= kMessageKept) return;
  message_ = {};
  memory_.release();
}

// false: more is needed. Two bytes say how long the header is.
bool FrameReader::takeHeader(std::string_view& bytes) {
  std::size_t needed = 2;
  while (true) {
    while (headerBytes_ < needed && !bytes.empty()) {
      header_[headerBytes_++] = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
    }
    if (headerBytes_ < needed) return false;
    if (needed > 2) return true;
    const unsigned length = header_[1] & ~kMasked;
    const std::size_t extended = length == kLength64 ? 8 : length == kLength16 ? 2 : 0;
    needed = 2 + extended + mask_.size();
  }
}

std::uint64_t FrameReader::payloadLength() const {
  const unsigned length = header_[1] & ~kMasked;
  if (length < kLength16) return length;
  std::uint64_t number = 0;
  for (std::size_t i = 2; i < headerBytes_ - mask_.size(); ++i) number = number << 8 | header_[i];
  return number;
}

FrameReader::Checked FrameReader::beginFrame() {
  const auto wrong = std::unexpected(CloseCode::protocolError);
  const unsigned opcode = header_[0] & 0x0f;
  const unsigned shortLength = header_[1] & ~kMasked;
  if ((header_[0] & kReserved) != 0 || !isKnown(opcode) || (header_[1] & kMasked) == 0)
    return wrong;
  opcode_ = static_cast<Opcode>(opcode);
  final_ = (header_[0] & kFinal) != 0;
  left_ = payloadLength();
  if (isControl() ? !final_ || left_ > kControlMax
                  : (opcode_ == Opcode::continuation) != fragmented_.has_value()) {
    return wrong;
  }
  // Lengths have one spelling, and 63 bits.
  if ((shortLength == kLength16 && left_ < kLength16) ||
      (shortLength == kLength64 && (left_ <= 0xffff || left_ >> 63 != 0))) {
    return wrong;
  }
  if (!isControl() && left_ > maxMessage_ - message_.size()) {
    return std::unexpected(CloseCode::tooLarge);
  }
  if (!isControl() && opcode_ != Opcode::continuation) fragmented_ = opcode_;
  std::memcpy(mask_.data(), header_.data() + headerBytes_ - mask_.size(), mask_.size());
  maskAt_ = 0;
  headerBytes_ = 0;
  if (isControl()) control_.clear();
  inPayload_ = true;
  return {};
}

FrameReader::Checked FrameReader::takePayload(std::string_view& bytes) {
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  if (!isControl()) {
    if (const auto reserved = reserve(message_.size() + length); !reserved) return reserved;
  }
  std::string& target = isControl() ? control_ : message_;
  const auto start = target.size();
  target.append(bytes.substr(0, length));
  for (std::size_t i = start; i < target.size(); ++i) {
    target[i] = static_cast<char>(target[i] ^ mask_[maskAt_++ % mask_.size()]);
  }
  bytes.remove_prefix(length);
  left_ -= length;
  return {};
}

// Grows with what has arrived, so that a client pays in bytes for the memory it takes.
FrameReader::Checked FrameReader::reserve(std::size_t bytes) {
  if (bytes <= message_.capacity()) return {};
  const auto wanted = std::max(bytes, std::min(2 * message_.capacity(), maxMessage_));
  if (!memory_.grow(wanted)) return std::unexpected(CloseCode::tryAgainLater);
  message_.reserve(wanted);
  return {};
}

std::expected<std::optional<Incoming>, CloseCode> FrameReader::endFrame() {
  inPayload_ = false;
  if (!isControl()) {
    if (!final_) return std::nullopt;
    return endMessage();
  }
  if (opcode_ == Opcode::close) return endClose();
  return Incoming{.opcode = opcode_, .payload = control_};
}

std::expected<std::optional<Incoming>, CloseCode> FrameReader::endMessage() {
  const Opcode kind = *std::exchange(fragmented_, std::nullopt);
  if (kind == Opcode::text && !isUtf8(message_)) return std::unexpected(CloseCode::notUtf8);
  delivered_ = true;
  return Incoming{.opcode = kind, .payload = message_};
}

std::expected<std::optional<Incoming>, CloseCode> FrameReader::endClose() const {
  if (control_.empty()) return Incoming{.opcode = Opcode::close, .payload = {}};
  if (control_.size() == 1) return std::unexpected(CloseCode::protocolError);
  const unsigned code =
      static_cast<unsigned char>(control_[0]) << 8U | static_cast<unsigned char>(control_[1]);
  const auto reason = std::string_view(control_).substr(2);
  if (!mayBeSent(code)) return std::unexpected(CloseCode::protocolError);
  if (!isUtf8(reason)) return std::unexpected(CloseCode::notUtf8);
  return Incoming{.opcode = Opcode::close, .payload = reason, .code = static_cast<CloseCode>(code)};
}

}  // namespace corbel::http
