#include "connection.h"

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "base/result.h"
#include "http/exchange.h"
#include "http/message.h"
#include "http_exchange.h"
#include "network_thread.h"
#include "response_writer.h"
#include "web_socket_session.h"

namespace corbel::http {
namespace {

// Longer response bodies are written from where they are.
constexpr std::size_t kCopyBodyUpTo = 16 * limits::kKiB;

}  // namespace

Connection::Connection(NetworkThread& thread, std::unique_ptr<Stream> stream, std::string address,
                       Peer peer)
    : thread_(thread),
      stream_(std::move(stream)),
      address_(std::move(address)),
      peer_(peer),
      body_(thread.bodyMemory()),
      since_(thread.loop().now()) {
  peer_.address = address_;
}

void Connection::onEvents(std::uint32_t events) {
  if (state_ == State::closed) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close();
  if ((events & EPOLLRDHUP) != 0) peerFinished_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) readable_ = true;
  if ((events & EPOLLOUT) != 0) writable_ = true;
  if (stream_->mixesDirections()) readable_ = writable_ = true;
  readsLeft_ = kReadsPerTurn;
  advance();
}

// A loop, not recursion: what the service does inside a callback only changes the state that the
// next step looks at.
void Connection::advance() {
  if (advancing_ || state_ == State::closed) return;
  advancing_ = true;
  try {
    while (step()) {
    }
  } catch (...) {
    recover();
  }
  advancing_ = false;
}

// In an exception of the service, a sink or the allocator.
void Connection::recover() {
  if (!exchange_ || exchange_->completed()) return close();
  try {
    failExchange({ErrorCode::internal, "the request could not be answered", {}, {}});
    while (step()) {
    }
  } catch (...) {
    close();
  }
}

bool Connection::step() {
  if (outgoing_.full() && !flush()) return false;
  switch (state_) {
    case State::head:
      return readHead();
    case State::service:
      flush();
      return false;
    case State::body:
      return readBody();
    case State::rest:
      return readRest();
    case State::streaming:
      return stream();
    case State::upgraded:
      return converse();
    case State::closing:
      return finishClosing();
    case State::lingering:
      return linger();
    case State::closed:
      return false;
  }
  std::unreachable();
}

bool Connection::readHead() {
  if (input_.empty()) return receive();
  const auto complete = parser_.parse(input_.unread());
  if (!complete) {
    refuse(complete.error());
    return true;
  }
  if (!*complete) return receive();
  beginRequest();
  return true;
}

void Connection::beginRequest() {
  exchange_ = freshExchange();
  exchange_->begin(thread_.loop().now());
  RequestHead& head = exchange_->headToFill();
  parser_.describe(input_.unread(), head);
  head.peer = peer_;
  input_.consume(parser_.headBytes());
  input_.pin();
  body_.start(parser_.framing(), parser_.contentLength());
  served_ = true;
  state_ = State::service;
  const std::shared_ptr<Exchange> exchange = exchange_;
  thread_.service().onHead(exchange);
}

std::shared_ptr<HttpExchange> Connection::freshExchange() {
  while (!spare_.empty()) {
    auto exchange = std::move(spare_.back());
    spare_.pop_back();
    if (exchange.use_count() != 1) continue;  // somebody still looks at it
    // use_count() orders nothing. Dropping a reference does: what former holders did happened
    // before this.
    auto(exchange).reset();
    return exchange;
  }
  return std::make_shared<HttpExchange>(shared_from_this(), thread_.sharedLoop(),
                                        thread_.service());
}

void Connection::planBody(HttpExchange& exchange, BodyPlan plan) {
  if (&exchange != exchange_.get() || state_ != State::service || body_.planned()) return;
  try {
    startBody(std::move(plan));
  } catch (...) {
    if (advancing_) throw;
    return recover();
  }
  advance();
}

void Connection::startBody(BodyPlan plan) {
  if (const auto planned = body_.plan(std::move(plan), input_); !planned) {
    return failExchange(planned.error());
  }
  state_ = State::body;
  since_ = thread_.loop().now();
  received_ = 0;
  if (parser_.expectsContinue() && body_.hasBody() && input_.empty()) {
    outgoing_.text() += "HTTP/1.1 100 Continue\r\n\r\n";
  }
}

bool Connection::readBody() {
  if (sinkBusy_) {
    flush();
    return false;
  }
  const auto progress = body_.take(input_);
  if (!progress) {
    failExchange(progress.error());
    return true;
  }
  switch (*progress) {
    case BodyReader::Progress::complete:
      deliverBody();
      return true;
    case BodyReader::Progress::chunk:
      feedSink();
      return true;
    case BodyReader::Progress::hungry:
      break;
  }
  if (receive()) return true;
  if (state_ != State::body || body_.chunk().empty() || body_.sink() == nullptr) return false;
  feedSink();
  return true;
}

void Connection::deliverBody() {
  state_ = State::service;
  exchange_->showBody(body_.body());
  exchange_->withService = true;
  const std::shared_ptr<Exchange> exchange = exchange_;
  thread_.service().onBody(exchange);
}

namespace {

// Tells the exchange once: a sink whose work failed or was given up destroys it uncalled.
class ChunkDone {
 public:
  explicit ChunkDone(std::shared_ptr<HttpExchange> exchange) : exchange_(std::move(exchange)) {}
  ChunkDone(ChunkDone&&) noexcept = default;
  ChunkDone& operator=(ChunkDone&&) = delete;
  ~ChunkDone() {
    if (exchange_) (*this)(fail(ErrorCode::internal, "The upload could not be stored."));
  }
  void operator()(Result<void> result) {
    std::exchange(exchange_, nullptr)->chunkDone(std::move(result));
  }

 private:
  std::shared_ptr<HttpExchange> exchange_;
};

}  // namespace

void Connection::feedSink() {
  sinkBusy_ = true;
  body_.sink()->append(std::as_bytes(std::span(body_.chunk())), ChunkDone(exchange_));
}

void Connection::chunkDone(HttpExchange& exchange, Result<void> result) {
  if (state_ == State::closed) return body_.dropSink();
  if (&exchange != exchange_.get() || !sinkBusy_) return;
  sinkBusy_ = false;
  body_.chunkTaken();
  since_ = thread_.loop().now();
  received_ = 0;
  try {
    if (!result) failExchange(result.error());
  } catch (...) {
    if (advancing_) throw;
    return recover();
  }
  advance();
}

void Connection::failExchange(const Error& error) {
  state_ = State::service;
  exchange_->complete(unreadable(error, exchange_->head(), exchange_.get()));
}

// The client's pending input does not belong to a request any more.
Response Connection::unreadable(const Error& error, const RequestHead& head, Exchange* exchange) {
  unreadInput_ = true;
  return thread_.service().onUnreadable(error, head, exchange);
}

void Connection::refuse(const Error& error) {
  RequestHead head;
  head.peer = peer_;
  if (parser_.knowsTarget()) parser_.describe(input_.unread(), head);
  Response response = unreadable(error, head, nullptr);
  appendHead(outgoing_.text(), response, headOptions(AfterResponse::close), thread_.date());
  if (const auto* text = std::get_if<std::string>(&response.body)) outgoing_.text() += *text;
  state_ = State::closing;
}

void Connection::turnAway(const Error& error) {
  try {
    refuse(error);
  } catch (...) {
    return close();
  }
  advance();
}

void Connection::respond(HttpExchange& exchange, Response response) {
  if (&exchange != exchange_.get()) return letGo(response);
  try {
    appendResponse(exchange, std::move(response), stateAfterResponse());
    if (state_ == State::head) nextRequest();
  } catch (...) {
    letGo(response);  // NOLINT(bugprone-use-after-move): its body was moved only where it is kept
    return close();
  }
  advance();
}

// Also throws away what was not read of the body, where that is cheap.
Connection::State Connection::stateAfterResponse() {
  const bool waitsForContinue =
      parser_.expectsContinue() && body_.hasBody() && body_.untouched(input_);
  const auto rest =
      unreadInput_ || sinkBusy_ || waitsForContinue ? BodyReader::Rest::much : body_.skip(input_);
  if (rest == BodyReader::Rest::much) unreadInput_ = true;
  if (rest == BodyReader::Rest::much || parser_.closes() || thread_.state().draining) {
    return State::closing;
  }
  return rest == BodyReader::Rest::little ? State::rest : State::head;
}

HeadOptions Connection::headOptions(AfterResponse after) const {
  return {after, peer_.tls ? Transport::tls : Transport::plain,
          parser_.http10() ? Streaming::untilClose : Streaming::chunked};
}

void Connection::appendResponse(HttpExchange& exchange, Response&& response, State next) {
  if (std::holds_alternative<WebSocketUpgrade>(response.body)) {
    return upgrade(exchange, std::move(response));
  }
  const auto after = next == State::closing ? AfterResponse::close : AfterResponse::keepOpen;
  appendHead(outgoing_.text(), response, headOptions(after), thread_.date());
  exchange.sent = {response.status, 0, body_.total(), false};
  since_ = thread_.loop().now();
  received_ = 0;
  const bool wantsBody = mayHaveBody(response.status) && exchange.head().method != Method::head;
  if (const auto* made = std::get_if<std::shared_ptr<BodySource>>(&response.body)) {
    if (wantsBody) {
      exchange.response = std::move(response);
      streamed_ = std::move(exchange_);
      return startStream(source(), next);
    }
    (*made)->gone();
  } else if (wantsBody) {
    appendBody(exchange, std::move(response));
  }
  state_ = next;
  unsettled_.push_back(std::move(exchange_));
}

void Connection::appendBody(HttpExchange& exchange, Response&& response) {
  const auto length = bodyLength(response).value_or(0);
  exchange.sent.bodyBytes = length;
  const auto* text = std::get_if<std::string>(&response.body);
  if (text != nullptr && length <= kCopyBodyUpTo) {
    outgoing_.text() += *text;
  } else if (length > 0) {
    exchange.response = std::move(response);
    auto& body = exchange.response.body;
    if (auto* file = std::get_if<FileRange>(&body)) {
      outgoing_.setFile(*file);
    } else if (const auto* fixed = std::get_if<StaticBytes>(&body)) {
      outgoing_.setBody(fixed->bytes);
    } else {
      outgoing_.setBody(std::get<std::string>(body));
    }
  }
}

bool Connection::readRest() {
  if (body_.skip(input_) != BodyReader::Rest::none) return receive();
  nextRequest();
  return true;
}

void Connection::nextRequest() {
  body_.finish();
  parser_.reset();
  state_ = State::head;
  since_ = thread_.loop().now();
}

// What has reached this machine counts as started: an idle connection is read once more.
void Connection::drain() {
  if (session_) session_->close(CloseCode::goingAway, "the server stops");
  if (!isIdle()) return;
  readable_ = true;
  readsLeft_ = 1;
  advance();
  if (isIdle()) close();
}

}  // namespace corbel::http
