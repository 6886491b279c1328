#include "http/dispatcher.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/text.h"
#include "crypto/sha256.h"
#include "http/reply.h"
#include "http/status.h"

namespace corbel::http {
namespace {

bool isRequestId(std::string_view text) {
  return !text.empty() && text.size() <= limits::kRequestIdLength &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

// "[::1]:3004" -> "[::1]", "localhost:3004" -> "localhost"
std::string_view withoutPort(std::string_view host) {
  const auto bracket = host.find(']');
  const auto colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return host.substr(0, colon);
}

// IPv6 in brackets, or IPv4.
bool isAddress(std::string_view host) {
  return host.starts_with('[') ||
         std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// Unpacking is where small requests become large ones; no route needs it.
Result<void> requirePlainBody(const RequestHead& head) {
  const auto encoding = trim(head.header("Content-Encoding"));
  if (encoding.empty() || equalsIgnoringCase(encoding, "identity")) return {};
  return fail(ErrorCode::unsupportedMediaType,
              "Content-Encoding must be identity: send the body uncompressed");
}

// What the caller waits for at the most; it may only shorten what the route allows.
Deadline shortestFor(const RequestHead& head, SteadyTime startedAt) {
  constexpr std::int64_t kDayMs = 86'400'000;
  const auto wait = parseNumber<std::int64_t>(trim(head.header("Corbel-Deadline-Ms")));
  if (!wait || *wait < 0 || *wait > kDayMs) return Deadline::never();
  return Deadline::at(startedAt + std::chrono::milliseconds(*wait));
}

// Of a server that has too many connections or bodies.
void addRetryAfter(Response& response, const Error& error) {
  if (error.code == ErrorCode::unavailable) response.headers.emplace_back("Retry-After", "1");
}

// Passes a body on and hashes it on the way.
class HashingSink final : public BodySink {
 public:
  explicit HashingSink(std::shared_ptr<BodySink> next) : next_(std::move(next)) {}
  void append(std::span<const std::byte> chunk,
              std::move_only_function<void(Result<void>)> done) override {
    hash_.update(chunk);
    next_->append(chunk, std::move(done));
  }
  crypto::Sha256Digest finish() { return hash_.finish(); }

 private:
  const std::shared_ptr<BodySink> next_;
  crypto::Sha256 hash_;
};

std::string fingerprintOf(const Call& call) {
  crypto::Sha256 hash;
  hash.update(std::string(name(call.head().method)) + ' ' + std::string(call.head().target) + '\n');
  if (call.context().hashedUpload) {
    hash.update(static_cast<HashingSink&>(*call.context().hashedUpload).finish());
  } else {
    hash.update(call.body());
  }
  return crypto::hex(hash.finish());
}

// The last line of defence: an exception of a library that slipped through its seam must not end
// the process.
void runGuarded(Call& call, auto&& work) {
  try {
    work(call);
  } catch (const std::exception& exception) {
    // Once answered, the context belongs to the network thread.
    if (call.exchange()->completed()) return;
    const Error error{ErrorCode::internal, std::string(detail::kOurFault), exception.what(), {}};
    detail::complete(call, errorResponse(&call.context(), error));
  }
}

}  // namespace

void Dispatcher::onHead(const std::shared_ptr<Exchange>& exchange) {
  exchange->setContext(std::make_shared<CallContext>());
  Call call(exchange);
  CallContext& context = call.context();
  context.path = call.head().path;
  if (parts_.tracer != nullptr)
    context.trace = parts_.tracer->begin(call.head().header("traceparent"));
  const trace::Scope scope(context.trace.position);
  const std::string_view requestId = call.head().header("X-Request-ID");
  context.requestId = isRequestId(requestId) ? std::string(requestId) : parts_.ids.next();
  call.addHeader("X-Request-ID", context.requestId);
  context.frame = parts_.frame;
  if (options_.compression) context.compression = &parts_.pool;
  if (parts_.observer.wantsBodies()) context.bodies = &parts_.observer;

  if (auto host = checkHost(call.head()); !host) return refuse(call, host.error());
  addCorsHeaders(call);
  if (answeredAsPreflight(call)) return;
  if (auto error = route(call)) return refuse(call, *error);

  if (context.route->webSocket) {
    if (auto fine = checkWebSocket(call); !fine) return refuse(call, fine.error());
  }
  context.deadline = deadlineOf(*context.route, exchange->startedAt())
                         .earlier(shortestFor(call.head(), exchange->startedAt()));
  if (auto verdict = parts_.admission.tryNow(call)) {
    return *verdict ? admitted(std::move(call)) : refuse(call, verdict->error());
  }
  exec::Pool* const waits = parts_.admissionPool;
  runOn(waits == nullptr ? parts_.pool : *waits, std::move(call), [this](Call& waiting) {
    auto verdict = parts_.admission.decide(waiting);
    verdict ? admitted(waiting) : refuse(waiting, verdict.error());
  });
}

Deadline Dispatcher::deadlineOf(const Route& route, SteadyTime startedAt) const {
  const auto own = route.options.deadline;
  if (own == kNoDeadline) return Deadline::never();
  if (own > std::chrono::milliseconds(0)) return Deadline::at(startedAt + own);
  const bool inference = route.options.limit == LimitClass::inference;
  return Deadline::at(startedAt + (inference ? options_.inferenceDeadline : options_.deadline));
}

std::optional<Error> Dispatcher::route(Call& call) {
  auto found = parts_.router.match(call.head().method, call.head().path);
  if (auto* match = std::get_if<Router::Match>(&found)) {
    call.context().route = match->route;
    call.context().parameters = std::move(match->parameters);
    return std::nullopt;
  }
  if (auto* other = std::get_if<Router::OtherMethod>(&found)) {
    std::string message = "This path takes " + other->allow + ".";
    call.addHeader("Allow", std::move(other->allow));
    return Error{ErrorCode::methodNotAllowed, std::move(message), {}, {}};
  }
  const auto document = parts_.router.match(Method::get, "/openapi.json");
  const bool isOpen = std::holds_alternative<Router::Match>(document);
  return Error{ErrorCode::notFound,
               std::string("There is nothing at this path.") +
                   (isOpen ? " GET /openapi.json lists all paths." : ""),
               {},
               {}};
}

void Dispatcher::admitted(Call call) {
  const Route& route = call.route();
  if (auto plain = requirePlainBody(call.head()); !plain) return refuse(call, plain.error());
  if (route.input != Input::upload) {
    const bool takesBody = route.input == Input::json;
    return call.exchange()->readBody(
        {.maxBytes = takesBody ? route.options.bodyMax : 0, .sink = nullptr});
  }
  if (auto file = detail::requireFile(call.head(), route.options.uploadTypes); !file)
    return refuse(call, file.error());
  runOn(parts_.pool, std::move(call), [this](Call& uploading) {
    auto sink = uploading.route().openUpload(uploading);
    if (!sink) return refuse(uploading, sink.error());
    uploading.context().upload = *sink;
    if (hasKey(uploading)) {
      uploading.context().hashedUpload = std::make_shared<HashingSink>(std::move(*sink));
      *sink = uploading.context().hashedUpload;
    }
    uploading.exchange()->readBody(
        {.maxBytes = uploading.route().options.bodyMax, .sink = std::move(*sink)});
  });
}

void Dispatcher::onBody(const std::shared_ptr<Exchange>& exchange) {
  Call call(exchange);
  const trace::Scope scope(call.context().trace.position);
  const Route& route = call.route();
  if (hasKey(call))
    return runOn(parts_.pool, std::move(call), [this](Call& pooled) { handleOnce(pooled); });
  if (route.quick) return runGuarded(call, [&](Call& quick) { route.handler(quick); });
  runOn(parts_.pool, std::move(call),
        [&route](Call& pooled) { pooled.inFrame([&] { route.handler(pooled); }); });
}

bool Dispatcher::hasKey(const Call& call) const {
  return parts_.repetitions != nullptr && call.route().takesIdempotencyKey() &&
         call.head().count(kIdempotencyKey) > 0;
}

void Dispatcher::handleOnce(Call& call) const {
  auto answered = parts_.repetitions->begin(call, fingerprintOf(call));
  if (!answered) return refuse(call, answered.error());
  if (*answered) return detail::complete(call, *std::move(*answered));
  call.context().repetitions = parts_.repetitions;
  call.inFrame([&] { call.route().handler(call); });
}

void Dispatcher::runOn(exec::Pool& pool, Call call, std::move_only_function<void(Call&)> work) {
  const Call kept = call;
  const bool accepted = pool.tryRun(
      [moved = std::move(call), work = std::move(work)]() mutable { runGuarded(moved, work); });
  if (accepted) return;
  kept.context().responseHeaders.emplace_back("Retry-After", "1");
  refuse(kept, {ErrorCode::unavailable,
                "The server is busy. Try again in a second.",
                pool.name() + " pool is full",
                {}});
}

void Dispatcher::refuse(const Call& call, const Error& error) {
  detail::complete(call, errorResponse(&call.context(), error));
}

void Dispatcher::onSent(Exchange& exchange, const Sent& sent) {
  if (exchange.context() == nullptr) return;
  const RequestHead& head = exchange.head();
  parts_.observer.onAnswered(
      {head.method, head.peer.address, sent, parts_.clock.steady() - exchange.startedAt()},
      *exchange.context());
}

Response Dispatcher::onUnreadable(const Error& error, const RequestHead& head, Exchange* exchange) {
  if (exchange != nullptr && exchange->context() != nullptr) {
    Response response = errorResponse(exchange->context(), error);
    addRetryAfter(response, error);
    for (auto& header : exchange->context()->responseHeaders) {
      response.headers.push_back(std::move(header));
    }
    exchange->context()->responseHeaders.clear();
    return response;
  }
  CallContext context;
  context.path = head.path;
  context.requestId = parts_.ids.next();
  Response response = errorResponse(&context, error);
  addRetryAfter(response, error);
  response.headers.emplace_back("X-Request-ID", context.requestId);
  parts_.observer.onAnswered({.method = head.method,
                              .remoteAddress = head.peer.address,
                              .sent = {.status = response.status}},
                             context);
  return response;
}

// A page of another site reaches this server under a name whose address it changed (DNS rebinding);
// an address is no name.
Result<void> Dispatcher::checkHost(const RequestHead& head) const {
  const auto host = withoutPort(head.header("Host"));
  if (host.empty() || equalsIgnoringCase(host, "localhost") || isAddress(host)) return {};
  const auto same = [&](std::string_view allowed) {
    return allowed == "*" || equalsIgnoringCase(withoutPort(allowed), host);
  };
  if (std::ranges::any_of(options_.allowedHosts, same)) return {};
  return fail(ErrorCode::permissionDenied,
              "Host is not served here. The operator lists it in server.allowedHosts.");
}

// Browsers let any page open a WebSocket anywhere, and say only whose page it is.
Result<void> Dispatcher::checkWebSocket(Call& call) const {
  const RequestHead& head = call.head();
  if (auto fine = requireWebSocket(head); !fine) {
    call.addHeader("Sec-WebSocket-Version", "13");
    return fine;
  }
  const auto origin = head.header("Origin");
  const auto host = head.header("Host");
  const bool isOurs =
      origin == "http://" + std::string(host) || origin == "https://" + std::string(host);
  if (head.count("Origin") == 0 || isOurs || isAllowed(origin)) return {};
  return fail(
      ErrorCode::permissionDenied,
      "Pages of this origin may not connect. The operator lists it in cors.allowedOrigins.");
}

bool Dispatcher::isAllowed(std::string_view origin) const {
  const auto& allowed = options_.cors.allowedOrigins;
  return allowsAnyOrigin() || std::ranges::find(allowed, origin) != allowed.end();
}

bool Dispatcher::allowsAnyOrigin() const {
  const auto& allowed = options_.cors.allowedOrigins;
  return allowed.size() == 1 && allowed[0] == "*";
}

void Dispatcher::addCorsHeaders(Call& call) const {
  const auto origin = call.head().header("Origin");
  if (origin.empty() || !isAllowed(origin)) return;
  call.addHeader("Access-Control-Allow-Origin", allowsAnyOrigin() ? "*" : std::string(origin));
  call.addHeader("Vary", "Origin");
  call.addHeader("Access-Control-Expose-Headers",
                 "X-Request-ID, Location, ETag, RateLimit, RateLimit-Policy, Retry-After, "
                 "Idempotency-Replayed");
}

bool Dispatcher::answeredAsPreflight(Call& call) {
  const RequestHead& head = call.head();
  if (head.method != Method::options || head.header("Access-Control-Request-Method").empty())
    return false;
  call.addHeader("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
  call.addHeader("Access-Control-Allow-Headers",
                 "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
                 "X-Request-ID, X-Tenant-ID");
  call.addHeader("Access-Control-Max-Age", "600");
  detail::complete(call, detail::respond(NoContent{}));
  return true;
}

}  // namespace corbel::http
