// One request and its one response, between a transport (HTTP now) and the service that answers.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace corbel::http {

struct CallContext;  // what the gates found out; owned by the service, see call.h

// Lives until its response is written, however it is held. Everything `head()` and `body()` show
// stays valid until complete() was called.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;

  const RequestHead& head() const { return head_; }
  // After Service::onBody, when no sink was given: the whole body.
  std::string_view body() const { return body_; }
  SteadyTime startedAt() const { return startedAt_; }
  CallContext* context() const { return context_.get(); }
  void setContext(std::shared_ptr<CallContext> context) { context_ = std::move(context); }

  // Reads the body as planned, then calls Service::onBody on the network thread. Once, from any
  // thread.
  virtual void readBody(BodyPlan plan) = 0;

  // Sends the response. From any thread; the first call counts, later ones are ignored. When the
  // body was not read to its end, it is discarded where that is cheap, else the connection closes
  // after the response.
  void complete(Response response) {
    if (!completed_.exchange(true)) send(std::move(response));
  }
  bool completed() const { return completed_; }

  // Runs `work` on the thread of this exchange's connection.
  virtual void post(std::move_only_function<void()> work) = 0;

 protected:
  virtual void send(Response response) = 0;

  // Transports reuse one object for the next request on a connection when nobody else holds it.
  void reset(SteadyTime startedAt) {
    startedAt_ = startedAt;
    body_ = {};
    context_.reset();
    completed_ = false;
  }

  RequestHead head_;
  std::string_view body_;

 private:
  SteadyTime startedAt_;
  std::shared_ptr<CallContext> context_;
  std::atomic<bool> completed_ = false;
};

// What was sent, for the access log and metrics.
struct Sent {
  int status = 0;
  std::uint64_t bodyBytes = 0;     // response body bytes handed to the kernel
  std::uint64_t requestBytes = 0;  // request body bytes read
  bool aborted = false;            // the client went away before the response was written
};

// Answers requests. All functions are called on network threads and must not block.
class Service {
 public:
  virtual ~Service() = default;
  // The head is there. Must lead, now or later, to exchange->readBody() or exchange->complete().
  virtual void onHead(const std::shared_ptr<Exchange>& exchange) = 0;
  // The body is there. Must lead, now or later, to exchange->complete().
  virtual void onBody(const std::shared_ptr<Exchange>& exchange) = 0;
  // The response is written, or the client is gone.
  virtual void onSent(Exchange& exchange, const Sent& sent) = 0;
  // A request that could not be read (malformed, too large, too slow): the response to send before
  // closing. `head` has the remote address, and the request line where that could be read.
  // `exchange` is null when the head could not be read as a whole; else onSent() follows.
  virtual Response onUnreadable(const Error& error, const RequestHead& head,
                                Exchange* exchange) = 0;
};

}  // namespace corbel::http
