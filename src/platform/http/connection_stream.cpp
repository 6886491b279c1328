// Responses that are made while they are sent, and WebSockets.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "connection.h"
#include "http/message.h"
#include "http_exchange.h"
#include "network_thread.h"
#include "web_socket_session.h"

namespace corbel::http {
namespace {

constexpr std::size_t kPullBytes = 16 * limits::kKiB;  // at once
constexpr std::chrono::seconds kHeartbeat{15};
constexpr std::chrono::seconds kPingAfter{30};  // of silence; as long again for the answer

// The size of a chunk is written when it is known: four digits, and leading zeros are allowed.
constexpr std::string_view kNoSize = "0000\r\n";
constexpr std::size_t kLongestChunk = 0xffff;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

void writeSize(char* place, std::size_t size) {
  char digits[4];
  const auto length = std::to_chars(digits, digits + sizeof digits, size, 16).ptr - digits;
  std::copy(digits, digits + length, place + sizeof digits - length);
}

}  // namespace

BodySource& Connection::source() const {
  return *std::get<std::shared_ptr<BodySource>>(streamed_->response.body);
}

void Connection::startStream(BodySource& source, State next) {
  state_ = State::streaming;
  afterStream_ = parser_.http10() ? State::closing : next;
  source.onReady(waker());
}

std::function<void()> Connection::waker() {
  return [weak = weak_from_this(), loop = thread_.sharedLoop()] {
    static_cast<void>(loop->post([weak] {
      if (const auto connection = weak.lock()) connection->wake();
    }));
  };
}

void Connection::wake() {
  if (state_ != State::streaming && state_ != State::upgraded) return;
  readsLeft_ = kReadsPerTurn;
  advance();
}

void Connection::abandonStream() {
  try {
    session_ ? std::exchange(session_, nullptr)->end() : source().gone();
  } catch (...) {  // NOLINT(bugprone-empty-catch): who cannot stop goes on
  }
  std::exchange(streamed_, nullptr)->abandon();
}

// Only as fast as the client reads.
bool Connection::stream() {
  if (peerFinished_) {
    close();
    return false;
  }
  if (!flush()) return false;
  if (readsLeft_-- <= 0) {
    continueLater();
    return false;
  }
  return appendFromStream(source());
}

// false: nothing more for now.
bool Connection::appendFromStream(BodySource& source) {
  std::string& out = outgoing_.text();
  const bool chunked = !parser_.http10();
  const auto start = out.size();
  if (chunked) out += kNoSize;
  const auto data = out.size();
  const auto pulled = source.pull(out, kPullBytes);
  const auto length = out.size() - data;
  if (pulled == BodySource::Pull::failed || length > kLongestChunk) {
    close();
    return false;
  }
  if (length == 0) out.resize(start);
  if (length > 0) {
    if (chunked) {
      writeSize(out.data() + start, length);
      out += "\r\n";
    }
    streamed_->sent.bodyBytes += length;
    since_ = thread_.loop().now();
  }
  if (pulled == BodySource::Pull::end) finishStream();
  return pulled != BodySource::Pull::later || length > 0;
}

void Connection::finishStream() {
  if (!parser_.http10()) outgoing_.text() += kLastChunk;
  unsettled_.push_back(std::move(streamed_));
  state_ = afterStream_;
  since_ = thread_.loop().now();
  if (state_ == State::head) nextRequest();
}

void Connection::beat(SteadyTime now) {
  const auto heartbeat = source().heartbeat();
  if (heartbeat.empty() || now - since_ < kHeartbeat) return;
  std::string& out = outgoing_.text();
  if (!parser_.http10()) {
    const auto start = out.size();
    out += kNoSize;
    writeSize(out.data() + start, heartbeat.size());
  }
  out += heartbeat;
  if (!parser_.http10()) out += "\r\n";
  streamed_->sent.bodyBytes += heartbeat.size();
  since_ = now;
  advance();
}

void Connection::upgrade(HttpExchange& exchange, Response&& response) {
  appendHead(outgoing_.text(), response, headOptions(AfterResponse::keepOpen), thread_.date());
  exchange.sent = {response.status, 0, body_.total(), false};
  exchange.response = std::move(response);
  streamed_ = std::move(exchange_);
  state_ = State::upgraded;
  since_ = thread_.loop().now();
  session_ = std::make_shared<WebSocketSession>(
      std::get<WebSocketUpgrade>(streamed_->response.body), thread_.bodyMemory(), waker());
  session_->open();
  if (thread_.state().draining) session_->close(CloseCode::goingAway, "the server stops");
}

// What goes out comes first: a client that does not read is not listened to.
bool Connection::converse() {
  if (!flush()) return false;
  const auto before = outgoing_.text().size();
  const auto pulled = session_->pull(outgoing_.text(), kPullBytes);
  const auto length = outgoing_.text().size() - before;
  streamed_->sent.bodyBytes += length;
  if (pulled == BodySource::Pull::failed) {
    close();
    return false;
  }
  if (pulled == BodySource::Pull::end) finishConversation();
  if (pulled != BodySource::Pull::later) return true;
  if (input_.empty()) return receive();
  session_->receive(input_.unread());
  input_.consume(input_.unread().size());
  return true;
}

void Connection::finishConversation() {
  unreadInput_ = true;  // its close frame, if nothing else
  state_ = State::closing;
  std::exchange(session_, nullptr)->end();
  unsettled_.push_back(std::move(streamed_));
}

void Connection::checkAlive(SteadyTime now) {
  if (now - since_ >= 2 * kPingAfter) return close();
  if (now - since_ < kPingAfter || std::exchange(pinged_, true)) return;
  session_->ping();
}

}  // namespace corbel::http
