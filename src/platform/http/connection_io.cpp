// The socket side of a connection: reading, writing, closing, time limits.
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "connection.h"
#include "http_exchange.h"
#include "network_thread.h"
#include "stream.h"

namespace corbel::http {
namespace {

constexpr std::size_t kSparesKept = 4;
constexpr std::size_t kLingerBytes = 1 * limits::kMiB;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::chrono::seconds kRateWindow{10};
constexpr std::uint64_t kBytesPerWindow =
    limits::kBodyBytesPerSecond * static_cast<std::uint64_t>(kRateWindow.count());
constexpr std::chrono::seconds kMemoryKept{5};  // of an idle connection

bool wouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

bool Connection::finishClosing() {
  if (!flush()) return false;
  if (!unreadInput_ && !readable_ && input_.empty()) {
    stream_->sayGoodbye();
    close();
    return false;
  }
  stream_->shutdownWrite();
  state_ = State::lingering;
  since_ = thread_.loop().now();
  received_ = 0;
  return true;
}

bool Connection::linger() {
  std::array<char, 16 * limits::kKiB> thrownAway;
  while (readable_) {
    const auto length = ::recv(stream_->descriptor(), thrownAway.data(), thrownAway.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && wouldBlock()) {
      readable_ = false;
      break;
    }
    received_ += static_cast<std::uint64_t>(std::max<ssize_t>(length, 0));
    if (length <= 0 || received_ > kLingerBytes) {
      close();
      break;
    }
  }
  return false;
}

bool Connection::receive() {
  if (!flush() || !readable_) return false;
  if (readsLeft_ <= 0) {
    continueLater();
    return false;
  }
  --readsLeft_;
  if (state_ != State::body) input_.unpin();
  const auto ofBody = state_ == State::body ? body_.space() : std::span<char>();
  const auto space = ofBody.empty() ? input_.space() : ofBody;
  const auto read = stream_->read(space);
  if (read.outcome == Stream::Outcome::blocked) readable_ = false;
  if (read.outcome == Stream::Outcome::closed || read.outcome == Stream::Outcome::failed) close();
  if (read.outcome != Stream::Outcome::done) return false;
  const auto bytes = read.bytes;
  if (state_ == State::head && input_.empty() && served_) since_ = thread_.loop().now();
  if (read.drained && !peerFinished_) readable_ = false;
  if (state_ == State::upgraded) {
    since_ = thread_.loop().now();
    pinged_ = false;
  }
  received_ += bytes;
  ofBody.empty() ? input_.received(bytes) : body_.wrote(bytes);
  return true;
}

// true: nothing is left to write, and the connection is open.
bool Connection::flush() {
  if (outgoing_.empty()) return state_ != State::closed;
  if (!writable_) return false;
  switch (outgoing_.flush(*stream_)) {
    case Outgoing::Flush::done:
      settle();
      return state_ != State::closed;
    case Outgoing::Flush::blocked:
      writable_ = false;
      return false;
    case Outgoing::Flush::paused:
      continueLater();
      return false;
    case Outgoing::Flush::failed:
      close();
      return false;
  }
  std::unreachable();
}

void Connection::continueLater() {
  thread_.loop().post([self = shared_from_this()] {
    self->readsLeft_ = kReadsPerTurn;
    self->advance();
  });
}

void Connection::settle() {
  for (auto& exchange : unsettled_) {
    exchange->report();
    if (spare_.size() < kSparesKept) spare_.push_back(std::move(exchange));
  }
  unsettled_.clear();
  if (thread_.state().draining && served_ && isIdle()) close();
}

void Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  thread_.loop().unwatch(stream_->descriptor());
  stream_->close();
  const auto bodyWritten = outgoing_.bodyWritten();
  for (auto& exchange : unsettled_) exchange->sent.bodyBytes = 0;
  if (!unsettled_.empty() && outgoing_.full()) unsettled_.back()->sent.bodyBytes = bodyWritten;
  for (auto& exchange : unsettled_) exchange->abandon();
  unsettled_.clear();
  if (streamed_) abandonStream();
  if (exchange_) {
    exchange_->sent.requestBytes = body_.total();
    std::exchange(exchange_, nullptr)->abandon();
  }
  spare_.clear();
  if (!sinkBusy_) body_.dropSink();
  thread_.onClosed(*this);
}

void Connection::sweep(SteadyTime now) {
  try {
    look(now);
  } catch (...) {
    close();
  }
}

void Connection::look(SteadyTime now) {
  if (!outgoing_.empty()) return sweepWriting(now);
  writing_.reset();
  switch (state_) {
    case State::head:
      return sweepHead(now);
    case State::body:
    case State::rest:
      return sweepBody(now);
    case State::streaming:
      return beat(now);
    case State::upgraded:
      return checkAlive(now);
    case State::lingering:
      if (now - since_ >= kLingerTime) close();
      return;
    case State::service:
    case State::closing:
    case State::closed:
      return;
  }
}

void Connection::sweepWriting(SteadyTime now) {
  if (!writing_) writing_ = {now, delivered()};
  if (now - writing_->since < kRateWindow) return;
  const Pace before = *std::exchange(writing_, Pace{now, delivered()});
  if (writing_->delivered - before.delivered < kBytesPerWindow) close();
}

// What has arrived at the client's machine. The kernel takes megabytes at once and asks for more
// when a good part of them is gone: what it took says little about a slow client.
std::uint64_t Connection::delivered() const {
  int waiting = 0;
  if (::ioctl(stream_->descriptor(), SIOCOUTQ, &waiting) != 0) waiting = 0;
  return outgoing_.written() - std::min(outgoing_.written(), static_cast<std::uint64_t>(waiting));
}

void Connection::sweepHead(SteadyTime now) {
  const ServerOptions& options = thread_.state().options;
  const bool between = input_.empty() && served_;
  if (now - since_ < (between ? options.idleTimeout : options.headerDeadline)) {
    if (between && now - since_ >= kMemoryKept) {
      input_.release();
      body_.release();
    }
    return;
  }
  if (input_.empty()) return close();
  refuse({ErrorCode::requestTimeout,
          "the request's headers must arrive within " +
              std::to_string(options.headerDeadline.count()) + " ms",
          {},
          {}});
  advance();
}

void Connection::sweepBody(SteadyTime now) {
  if (sinkBusy_ || now - since_ < kRateWindow) return;
  const bool fastEnough = received_ >= kBytesPerWindow;
  since_ = now;
  received_ = 0;
  if (fastEnough) return;
  if (state_ == State::rest) return close();
  failExchange({ErrorCode::requestTimeout,
                "the request body must arrive at " + std::to_string(limits::kBodyBytesPerSecond) +
                    " bytes per second or faster",
                {},
                {}});
}

}  // namespace corbel::http
