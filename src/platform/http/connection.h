// One client connection: reads requests, hands them to the service one after the other, writes the
// responses.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "body_reader.h"
#include "event_loop.h"
#include "http_exchange.h"
#include "input_buffer.h"
#include "outgoing.h"
#include "request_parser.h"
#include "response_writer.h"
#include "stream.h"

namespace corbel::http {

class NetworkThread;
class WebSocketSession;

// Lives on one network thread: every function is called there. Its memory may outlive its socket,
// see HttpExchange.
class Connection final : public EventLoop::Watcher,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(NetworkThread& thread, std::unique_ptr<Stream> stream, std::string address, Peer peer);

  // Answers `error` and closes, instead of reading requests.
  void turnAway(const Error& error);
  void onEvents(std::uint32_t events) override;
  // Enforces the time limits; called every fraction of a second.
  void sweep(SteadyTime now);
  // Closes when idle; else the next response says that it is the last.
  void drain();
  void close();

  // For HttpExchange. Ignored when the exchange is not the current one any more.
  void planBody(HttpExchange& exchange, BodyPlan plan);
  void respond(HttpExchange& exchange, Response response);
  void chunkDone(HttpExchange& exchange, Result<void> result);
  // The source of the response has more.
  void wake();

  std::size_t slot = 0;  // in the thread's list

 private:
  enum class State : std::uint8_t {
    head,       // reading a request's head, or idle
    service,    // the service has the exchange
    body,       // reading the body for the service
    rest,       // reading what the service did not want of the body
    streaming,  // writing a response that is made meanwhile
    upgraded,   // a WebSocket
    closing,    // writing the last response
    lingering,  // letting the client read it: closing with unread input would reset the connection
    closed
  };

  void advance();
  void recover();
  bool step();
  bool readHead();
  void beginRequest();
  std::shared_ptr<HttpExchange> freshExchange();
  void startBody(BodyPlan plan);
  bool readBody();
  void deliverBody();
  void feedSink();
  bool readRest();
  void nextRequest();
  bool finishClosing();
  bool linger();

  void refuse(const Error& error);
  void failExchange(const Error& error);
  Response unreadable(const Error& error, const RequestHead& head, Exchange* exchange);
  void appendResponse(HttpExchange& exchange, Response&& response, State next);
  void appendBody(HttpExchange& exchange, Response&& response);
  void startStream(BodySource& source, State next);
  bool stream();
  bool appendFromStream(BodySource& source);
  void finishStream();
  void abandonStream();
  void upgrade(HttpExchange& exchange, Response&& response);
  bool converse();
  void finishConversation();
  void checkAlive(SteadyTime now);
  std::function<void()> waker();
  void beat(SteadyTime now);
  BodySource& source() const;
  HeadOptions headOptions(AfterResponse after) const;
  State stateAfterResponse();

  bool receive();
  bool flush();
  void continueLater();
  void settle();
  bool isIdle() const { return state_ == State::head && input_.empty() && outgoing_.empty(); }
  void look(SteadyTime now);
  void sweepWriting(SteadyTime now);
  std::uint64_t delivered() const;
  void sweepHead(SteadyTime now);
  void sweepBody(SteadyTime now);

  NetworkThread& thread_;  // gone when closed
  const std::unique_ptr<Stream> stream_;
  const std::string address_;
  Peer peer_;

  State state_ = State::head;
  bool advancing_ = false;  // step() is on the stack: it goes on by itself
  bool readable_ = false;   // as far as epoll's edges have told
  bool writable_ = true;
  bool peerFinished_ = false;  // sends nothing more
  bool unreadInput_ = false;   // when closing: the client may still be sending
  bool sinkBusy_ = false;
  bool served_ = false;  // at least one request
  static constexpr int kReadsPerTurn = 4;
  int readsLeft_ = 0;  // or pulls of a stream, before others have their turn

  InputBuffer input_;
  RequestParser parser_;
  BodyReader body_;
  Outgoing outgoing_;
  std::shared_ptr<HttpExchange> exchange_;  // being answered
  std::shared_ptr<HttpExchange> streamed_;  // its answer is being made
  State afterStream_ = State::head;
  std::shared_ptr<WebSocketSession> session_;
  bool pinged_ = false;
  std::vector<std::shared_ptr<HttpExchange>> unsettled_;  // answered, but not yet written
  std::vector<std::shared_ptr<HttpExchange>> spare_;

  SteadyTime since_;            // of waiting for a request, a head, a part of a body, or the end
  std::uint64_t received_ = 0;  // bytes since since_
  struct Pace {
    SteadyTime since;
    std::uint64_t delivered;  // bytes, until then
  };
  std::optional<Pace> writing_;  // while something waits to be written
};

}  // namespace corbel::http
