// One request and its one response, between a transport (HTTP now) and the service that answers.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
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
    if (completed_.exchange(true)) return letGo(response);
    if (watchesClient_) forgetClient();
    send(std::move(response));
  }
  bool completed() const { return completed_; }

  // Calls `stop` once if the client goes away before complete(): whoever works for nobody may stop.
  // On the network thread (must not block), or at once when the client is already gone; it may
  // still be running when complete() returns on another thread. The exchange must be completed all
  // the same. Replaces an earlier one; from any thread. What `stop` holds is dropped by complete().
  void onGone(std::move_only_function<void()> stop) CORBEL_EXCLUDES(clientMutex_);

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
    if (watchesClient_) forgetClient();
  }

  // The client is gone.
  void tellGone() CORBEL_EXCLUDES(clientMutex_);

  RequestHead head_;
  std::string_view body_;

 private:
  void forgetClient() CORBEL_EXCLUDES(clientMutex_);

  SteadyTime startedAt_;
  std::shared_ptr<CallContext> context_;
  std::atomic<bool> completed_ = false;
  std::atomic<bool> watchesClient_ = false;  // what follows was touched
  Mutex clientMutex_;
  bool gone_ CORBEL_GUARDED_BY(clientMutex_) = false;
  std::move_only_function<void()> stop_ CORBEL_GUARDED_BY(clientMutex_);
};

// What was sent, for the access log and metrics.
struct Sent {
  int status = 0;                  // of the response; 0: there was none
  std::uint64_t bodyBytes = 0;     // response body bytes handed to the kernel
  std::uint64_t requestBytes = 0;  // request body bytes read
  bool aborted = false;            // the client went away before the response was written
};

// Answers requests. All functions are called on network threads and must not block (but see
// onSent()).
class Service {
 public:
  virtual ~Service() = default;
  // The head is there. Must lead, now or later, to exchange->readBody() or exchange->complete().
  virtual void onHead(const std::shared_ptr<Exchange>& exchange) = 0;
  // The body is there. Must lead, now or later, to exchange->complete().
  virtual void onBody(const std::shared_ptr<Exchange>& exchange) = 0;
  // Once for every exchange: the response is written, or the client is gone. Never while the
  // service still works on the exchange: of a client that went away it is told when the exchange is
  // completed; of one that was cut off by the end of the server, on the thread that completes it.
  virtual void onSent(Exchange& exchange, const Sent& sent) = 0;
  // A request that could not be read (malformed, too large, too slow): the response to send before
  // closing. `head` has the remote address, and the request line where that could be read.
  // `exchange` is null when the head could not be read as a whole; else onSent() follows.
  virtual Response onUnreadable(const Error& error, const RequestHead& head,
                                Exchange* exchange) = 0;
};

}  // namespace corbel::http
