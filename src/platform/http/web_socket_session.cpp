#include "web_socket_session.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "http/message.h"
#include "web_socket_frames.h"

namespace corbel::http {

bool WebSocketSession::sendText(std::string_view text) { return send(Opcode::text, text); }

bool WebSocketSession::sendBinary(std::string_view bytes) { return send(Opcode::binary, bytes); }

bool WebSocketSession::send(Opcode opcode, std::string_view payload) {
  bool tell = false;
  {
    const MutexLock lock(mutex_);
    if (state_ != State::open) return false;
    appendFrame(queue_, opcode, payload);
    if (queue_.size() - taken_ > kQueueBytes) state_ = State::failed;
    tell = std::exchange(waiting_, false);
  }
  if (tell) ready_();
  return true;
}

void WebSocketSession::close(CloseCode code, std::string_view reason) {
  std::string frame;
  appendCloseFrame(frame, code, reason);
  finish(code, reason, frame);
}

// The first ending counts.
void WebSocketSession::finish(CloseCode code, std::string_view reason, std::string_view frame) {
  bool tell = false;
  {
    const MutexLock lock(mutex_);
    if (state_ != State::open) return;
    state_ = State::closing;
    ending_ = Ending{code, std::string(reason)};
    queue_ += frame;
    tell = std::exchange(waiting_, false);
  }
  if (tell) ready_();
}

void WebSocketSession::open() {
  try {
    handler_->onOpen(shared_from_this());
  } catch (...) {
    close(CloseCode::internalError, {});
  }
}

void WebSocketSession::receive(std::string_view bytes) {
  while (!deaf_) {
    const auto incoming = reader_.next(bytes);
    if (!incoming) {
      deaf_ = true;
      return close(incoming.error(), {});
    }
    if (!*incoming) return;
    try {
      hear(**incoming);
    } catch (...) {
      deaf_ = true;
      return close(CloseCode::internalError, {});
    }
  }
}

void WebSocketSession::hear(const Incoming& incoming) {
  switch (incoming.opcode) {
    case Opcode::text:
      return handler_->onText(incoming.payload);
    case Opcode::binary:
      return handler_->onBinary(incoming.payload);
    case Opcode::ping:
      static_cast<void>(send(Opcode::pong, incoming.payload));
      return;
    case Opcode::close: {
      deaf_ = true;
      std::string frame;
      if (incoming.code == CloseCode::noStatus) {
        appendFrame(frame, Opcode::close, {});
      } else {
        appendCloseFrame(frame, incoming.code, {});
      }
      return finish(incoming.code, incoming.payload, frame);
    }
    case Opcode::continuation:
    case Opcode::pong:
      return;
  }
}

void WebSocketSession::ping() { static_cast<void>(send(Opcode::ping, {})); }

BodySource::Pull WebSocketSession::pull(std::string& out, std::size_t atMost) {
  const MutexLock lock(mutex_);
  if (state_ == State::failed) return BodySource::Pull::failed;
  const auto length = std::min(atMost, queue_.size() - taken_);
  out.append(queue_, taken_, length);
  taken_ += length;
  if (taken_ == queue_.size()) {
    queue_.clear();
    taken_ = 0;
    if (state_ == State::closing) return BodySource::Pull::end;
    waiting_ = length == 0;
  } else if (taken_ > queue_.size() / 2) {
    queue_.erase(0, std::exchange(taken_, 0));
  }
  return length > 0 ? BodySource::Pull::more : BodySource::Pull::later;
}

void WebSocketSession::end() {
  Ending ending{CloseCode::abnormal, {}};
  {
    const MutexLock lock(mutex_);
    if (ending_) ending = *ending_;
    state_ = State::failed;
  }
  deaf_ = true;
  const auto handler = std::exchange(handler_, nullptr);
  if (!handler) return;
  try {
    handler->onClose(ending.code, ending.reason);
  } catch (...) {  // NOLINT(bugprone-empty-catch): there is nothing left to close
  }
}

}  // namespace corbel::http
