// A call as handlers see it: who calls what, for which tenant, until when. Knows no socket.
#pragma once
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/trace.h"
#include "exec/pool.h"
#include "http/exchange.h"
#include "http/message.h"
#include "identity/identity.h"

namespace corbel::http {

struct Route;
class Call;
class Observer;
class Repetitions;

// Goes around every handler that may wait, on its thread.
class HandlerFrame {
 public:
  virtual ~HandlerFrame() = default;
  // Runs `work`, once. The call may be answered when it returns: only `work` may use it after that.
  virtual void run(const Call& call, const std::function<void()>& work) = 0;
};

// Values of the {…} segments of a route's path, decoded, in the order of the path.
class PathParameters {
 public:
  static constexpr std::size_t kMax = 4;
  void add(std::string_view name, std::string value) {
    values_[count_++] = {name, std::move(value)};
  }
  std::string_view operator[](
      std::string_view name) const;  // empty: the route has no such parameter
  std::size_t size() const { return count_; }

 private:
  std::array<std::pair<std::string_view, std::string>, kMax> values_;
  std::size_t count_ = 0;
};

// What router and gates found out about one exchange. Written by them alone, before the handler
// runs.
struct CallContext {
  const Route* route = nullptr;  // nullptr: none was found
  std::string path;              // of the request, for the answer
  PathParameters parameters;
  identity::PrincipalRef principal;  // of a sign-in that succeeds: who signed in
  const identity::Membership* membership =
      nullptr;  // of the principal, in the tenant the call is for
  Deadline deadline = Deadline::never();
  std::string requestId;
  trace::CallTrace trace;
  std::shared_ptr<BodySink> upload;
  std::shared_ptr<BodySink> hashedUpload;  // in front of it, where a repetition must be told
  std::vector<std::pair<std::string_view, std::string>> responseHeaders;
  exec::Pool* compression = nullptr;   // where long answers are compressed; null: none is
  Observer* bodies = nullptr;          // who is shown the bodies; usually nobody
  HandlerFrame* frame = nullptr;       // around the handler; null: nothing is
  bool audited = false;                // a line of the audit log was committed with the change
  std::string_view errorCode;          // of the answer, for the access log
  std::string errorDetail;             // for the access log only
  Repetitions* repetitions = nullptr;  // who keeps the answer; usually nobody
  std::string repetitionId;            // under what
};

// Movable handle; everything it shows stays valid until the reply was sent.
class Call {
 public:
  explicit Call(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  const RequestHead& head() const { return exchange_->head(); }
  std::string_view body() const { return exchange_->body(); }
  const Route& route() const { return *context().route; }
  std::string_view parameter(std::string_view name) const { return context().parameters[name]; }
  const identity::Principal& principal() const { return *context().principal; }
  // Not on routes that are open to all.
  const identity::Membership& membership() const { return *context().membership; }
  const std::string& tenant() const { return membership().tenant; }
  identity::Actor actor() const { return {principal(), membership()}; }
  Deadline deadline() const { return context().deadline; }
  std::string_view requestId() const { return context().requestId; }
  SteadyTime startedAt() const { return exchange_->startedAt(); }

  // Adds a header to the response, e.g. ETag. `name` is a literal.
  void addHeader(std::string_view name, std::string value) {
    context().responseHeaders.emplace_back(name, std::move(value));
  }

  // Runs `work` in the frame of the handlers. A handler that goes on on another thread of a pool
  // does it in here.
  void inFrame(const std::function<void()>& work) const {
    HandlerFrame* const frame = context().frame;
    frame == nullptr ? work() : frame->run(*this, work);
  }

  CallContext& context() const { return *exchange_->context(); }
  const std::shared_ptr<Exchange>& exchange() const { return exchange_; }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace corbel::http
