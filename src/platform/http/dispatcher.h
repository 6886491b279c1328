// Leads every exchange from its head to its answer: router, gates, body, handler, accounting.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "base/trace.h"
#include "exec/pool.h"
#include "http/call.h"
#include "http/exchange.h"
#include "http/repetition.h"
#include "http/router.h"

namespace corbel::http {

// Decides whether a call may go on, and writes what it found out into the call's context.
class Admission {
 public:
  virtual ~Admission() = default;
  // Without I/O, on the network thread. Nothing: it cannot be decided without I/O.
  virtual std::optional<Result<void>> tryNow(Call& call) = 0;
  // On a pool thread; may wait until the call's deadline.
  virtual Result<void> decide(Call& call) = 0;
};

// One exchange that has ended. The text is valid during the call.
struct Answered {
  Method method = Method::get;
  std::string_view remoteAddress = {};
  Sent sent = {};
  std::chrono::nanoseconds duration{0};
};

// Told once about every exchange, after its response.
class Observer {
 public:
  virtual ~Observer() = default;
  // Whether onBodies() is called for an exchange that begins now.
  virtual bool wantsBodies() const { return false; }
  // Just before the response is sent, on any thread. Only bodies that are in memory; others are
  // empty.
  virtual void onBodies(const CallContext& /*context*/, std::string_view /*request*/,
                        std::string_view /*response*/) {}
  virtual void onAnswered(const Answered& answered, const CallContext& context) = 0;
};

struct CorsOptions {
  std::vector<std::string> allowedOrigins;  // exact; "*" alone: any, without credentials
};

struct DispatcherOptions {
  CorsOptions cors;
  std::vector<std::string>
      allowedHosts;  // names answered besides localhost and addresses; "*": all
  std::chrono::milliseconds deadline{30'000};
  std::chrono::milliseconds inferenceDeadline = limits::kInferenceDeadline;
  bool compression = true;  // of responses, where the client asks for it
};

class Dispatcher final : public Service {
 public:
  struct Parts {
    const Router& router;
    Admission& admission;
    Observer& observer;
    exec::Pool& pool;
    const Clock& clock;
    IdSource& ids;
    trace::Tracer* tracer = nullptr;      // none: calls are not traced
    exec::Pool* admissionPool = nullptr;  // where admission waits; null: `pool`
    HandlerFrame* frame = nullptr;
    Repetitions* repetitions = nullptr;  // null: no Idempotency-Key is looked at
  };
  // All parts must outlive the dispatcher.
  Dispatcher(Parts parts, DispatcherOptions options)
      : parts_(parts), options_(std::move(options)) {}

  void onHead(const std::shared_ptr<Exchange>& exchange) override;
  void onBody(const std::shared_ptr<Exchange>& exchange) override;
  void onSent(Exchange& exchange, const Sent& sent) override;
  Response onUnreadable(const Error& error, const RequestHead& head, Exchange* exchange) override;

 private:
  std::optional<Error> route(Call& call);
  Deadline deadlineOf(const Route& route, SteadyTime startedAt) const;
  bool answeredAsPreflight(Call& call);
  Result<void> checkHost(const RequestHead& head) const;
  Result<void> checkWebSocket(Call& call) const;
  bool isAllowed(std::string_view origin) const;
  bool allowsAnyOrigin() const;
  void addCorsHeaders(Call& call) const;
  void admitted(Call call);
  bool hasKey(const Call& call) const;
  void handleOnce(Call& call) const;
  static void refuse(const Call& call, const Error& error);
  void runOn(exec::Pool& pool, Call call, std::move_only_function<void(Call&)> work);

  Parts parts_;
  DispatcherOptions options_;
};

}  // namespace corbel::http
