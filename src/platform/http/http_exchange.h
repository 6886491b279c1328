// The Exchange of an HTTP connection: brings what the service says to the connection's thread.
#pragma once
#include <memory>

#include "event_loop.h"
#include "http/exchange.h"

namespace corbel::http {

class Connection;

// Keeps the connection's memory, and so what head() and body() show, but not its socket.
class HttpExchange final : public Exchange {
 public:
  HttpExchange(std::shared_ptr<Connection> connection, std::shared_ptr<EventLoop> loop,
               Service& service)
      : connection_(std::move(connection)), loop_(std::move(loop)), service_(service) {}

  void readBody(BodyPlan plan) override;
  void post(std::move_only_function<void()> work) override {
    static_cast<void>(loop_->post(std::move(work)));
  }

  // Only for its connection.
  void begin(SteadyTime startedAt);
  RequestHead& headToFill() { return head_; }
  void showBody(std::string_view body) { body_ = body; }
  // What a BodySink calls when it has taken a chunk.
  void chunkDone(Result<void> result);
  // The connection is closed. Reports now, or when the service has let go of the exchange.
  void abandon();
  // Tells the service what became of it.
  void report();

  Response response;        // being written
  Sent sent;                // what to report when it is
  bool withService = true;  // which may change what a report reads

 protected:
  void send(Response response) override;

 private:
  void planBody(BodyPlan plan);
  void respond(Response response);
  bool takeBack();
  std::shared_ptr<HttpExchange> self() {
    return std::static_pointer_cast<HttpExchange>(shared_from_this());
  }

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<EventLoop> loop_;
  Service& service_;
  bool abandoned_ = false;
  // On their way to the connection; written once, by whoever came first.
  BodyPlan planOnItsWay_;
  Response responseOnItsWay_;
};

}  // namespace corbel::http
