#include "relay/relay.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"
#include "base/trace.h"
#include "identity/identity.h"
#include "relay/pieces.h"

namespace corbel::relay {
namespace {

// Longer answers pass through while they come.
constexpr std::size_t kAnswerInMemory = std::size_t{1} << 20;
// Of an upload: opening a model file takes that long after its last byte.
constexpr std::chrono::milliseconds kUploadStall{75'000};
constexpr int kUnauthorized = 401;
constexpr std::string_view kFile = "application/octet-stream";
constexpr std::string_view kTooMany =
    "Too many calls wait for another part of this installation. Try again in a second.";

// What of a request the other process has to see. Who calls and which tenant, the token says.
constexpr std::array<std::string_view, 9> kRequestHeaders = {
    "Idempotency-Key", "Accept", "Content-Type", "If-Match",  "If-None-Match",
    "Last-Event-ID",   "Range",  "traceparent",  "tracestate"};
// What of the answer the client has to see; the rest is this process's own.
constexpr std::array<std::string_view, 11> kAnswerHeaders = {"Idempotency-Replayed",
                                                             "ETag",
                                                             "Location",
                                                             "Retry-After",
                                                             "Content-Disposition",
                                                             "Content-Security-Policy",
                                                             "Cache-Control",
                                                             "X-Accel-Buffering",
                                                             "Deprecation",
                                                             "Link",
                                                             "Warning"};
constexpr std::array<std::string_view, 8> kContentTypes = {
    "application/json",          "application/problem+json", "application/octet-stream",
    "application/x-ndjson",      "text/event-stream",        "text/plain",
    "text/plain; charset=utf-8", "text/html; charset=utf-8"};

// A text that lives as long as the program.
std::string_view contentTypeOf(std::string_view sent) {
  const auto found = std::ranges::find_if(
      kContentTypes, [&](std::string_view known) { return equalsIgnoringCase(known, sent); });
  if (found != kContentTypes.end()) return *found;
  return sent.empty() ? std::string_view() : std::string_view("application/octet-stream");
}

http::Response responseOf(const net::StreamingHead& head) {
  http::Response response{
      .status = head.status, .contentType = {}, .headers = {}, .body = std::string()};
  for (const auto& header : head.headers) {
    const std::string& sent = header.first;
    if (sent == "content-type") response.contentType = contentTypeOf(header.second);
    const auto known = std::ranges::find_if(
        kAnswerHeaders, [&](std::string_view own) { return equalsIgnoringCase(own, sent); });
    if (known != kAnswerHeaders.end()) response.headers.emplace_back(*known, header.second);
  }
  return response;
}

std::unexpected<Error> unreachable(const Target& target, const Error& error) {
  const bool late = error.code == ErrorCode::deadlineExceeded;
  return fail(late ? ErrorCode::deadlineExceeded : ErrorCode::unavailable,
              late ? "The part of this installation that does this did not answer in time."
                   : "The part of this installation that does this cannot be reached. Try again.",
              "relay to " + target.role + ": " + error.message + " " + error.detail);
}

// The caller has proved who he is: what is not believed is the token, so another master key or
// another time. A 401 would tell him to sign in again.
std::unexpected<Error> distrusted(const Target& target) {
  return fail(ErrorCode::unavailable,
              "The part of this installation that does this cannot be reached. Try again.",
              "relay to " + target.role +
                  ": it refuses service tokens; compare the master keys and the clocks");
}

std::vector<std::pair<std::string, std::string>> headersOf(const http::Call& call) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const std::string_view name : kRequestHeaders) {
    if (const auto value = call.head().header(name); !value.empty())
      headers.emplace_back(name, value);
  }
  headers.emplace_back("X-Request-ID", call.requestId());
  return headers;
}

}  // namespace

// One call on its way. Held by the thread that passes it on and, until it is answered, by its
// reply.
class Passage : public std::enable_shared_from_this<Passage> {
 public:
  Passage(Relay& relay, const Target& target, const http::Call& call)
      : relay_(relay),
        target_(target),
        principal_(call.context().principal),
        membership_(call.membership()),
        callersDeadline_(call.deadline()),
        deadline_(call.deadline()) {
    transfer_.method = name(call.head().method);
    transfer_.url = target.url + std::string(call.head().target);
    transfer_.headers = headersOf(call);
    transfer_.stop = relay.stop_.get_token();
    if (call.route().options.contentType == kFile) beFile();
  }

  // A body that is in memory as long as the call is not answered.
  void carry(std::string_view body) {
    if (body.empty()) return;
    transfer_.bodyBytes = body.size();
    transfer_.body = [this,
                      rest = body](std::span<char> space) mutable -> std::optional<std::size_t> {
      // The body goes with the exchange.
      if (download_) return std::nullopt;
      const std::size_t length = std::min(space.size(), rest.size());
      std::memcpy(space.data(), rest.data(), length);
      rest.remove_prefix(length);
      return length;
    };
  }
  void carry(std::shared_ptr<Upload> upload, std::optional<std::uint64_t> length) {
    transfer_.bodyBytes = length;
    transfer_.stallMax = kUploadStall;
    transfer_.body = [upload](std::span<char> space) { return upload->take(space); };
    upload_ = std::move(upload);
    beFile();
  }

  // Where the answer goes, which may be there already. Once.
  void answerTo(const http::Call& call) {
    Caller caller{call, http::Reply<http::Response>(call)};
    std::optional<Result<http::Response>> early;
    {
      const MutexLock lock(mutex_);
      early = std::exchange(early_, std::nullopt);
      if (!early) {
        caller_.emplace(std::move(caller));
        return;
      }
    }
    std::move(caller).answer(*std::move(early));
  }

  // False: too many wait; nothing happens then.
  bool start() {
    return pool_->tryRun([self = shared_from_this()] { self->run(); });
  }

  void refuse() { reply(fail(ErrorCode::unavailable, std::string(kTooMany))); }
  // The client went away before its body had ended.
  void abandon() {
    std::optional<Result<http::Response>> early;
    {
      const MutexLock lock(mutex_);
      abandoned_ = true;
      early = std::exchange(early_, std::nullopt);
    }
    if (early && *early) http::letGo(**early);
  }

 private:
  struct Caller {
    http::Call call;
    http::Reply<http::Response> reply;

    void answer(Result<http::Response> response) && {
      if (!response && response.error().code == ErrorCode::unavailable)
        call.addHeader("Retry-After", "1");
      reply(std::move(response));
    }
  };

  // How long it takes is up to its length and its client; the transport sees that it moves.
  void beFile() {
    pool_ = &relay_.parts_.files;
    deadline_ = Deadline::never();
  }

  // What counts from now on: the call may have waited for its thread.
  void stamp() {
    auto& headers = transfer_.headers;
    const Secret token = relay_.parts_.tokens.issue(target_.role, {*principal_, membership_});
    headers.emplace_back("Authorization", "Bearer " + std::string(token.reveal()));
    if (std::string own = trace::outgoingTraceparent(); !own.empty()) {
      std::erase_if(headers, [](const auto& header) { return header.first == "traceparent"; });
      headers.emplace_back("traceparent", std::move(own));
    }
    if (callersDeadline_.time() == SteadyTime::max()) return;
    const auto left = callersDeadline_.remaining(relay_.parts_.clock);
    headers.emplace_back("Corbel-Deadline-Ms", std::to_string(left.count()));
  }

  void run() {
    trace::Span span("relay", target_.role, trace::Kind::client);
    stamp();
    transfer_.onHead = [this](const net::StreamingHead& head) {
      status_ = head.status;
      response_ = responseOf(head);
      return true;
    };
    transfer_.onBody = [this](std::string_view piece) { return take(piece); };
    const auto outcome = pass();
    span.set("http.response.status_code", status_);
    if (!outcome) span.fail(outcome.error().message);
    if (upload_) upload_->ignoreRest();
    if (download_) {
      download_->end(outcome ? Download::End::complete : Download::End::cutOff);
    } else if (outcome && status_ == kUnauthorized) {
      reply(distrusted(target_));
    } else if (outcome) {
      response_.body = std::move(body_);
      reply(std::move(response_));
    } else {
      reply(unreachable(target_, outcome.error()));
    }
  }

  // What the other process says is its answer, whatever it is; that it says nothing is a failure.
  Result<void> pass() {
    CORBEL_TRY(auto permit, target_.process.tryEnter(deadline_));
    auto outcome = relay_.client_.run(transfer_, deadline_);
    // An upload that breaks off may have been refused before its end.
    if (!outcome && (upload_ || outcome.error().code == ErrorCode::aborted))
      permit.countAs(resilience::Outcome::unknown);
    permit.finish(outcome ? nullptr : &outcome.error());
    return outcome;
  }

  bool take(std::string_view piece) {
    // Who answers at length has read enough.
    if (upload_) upload_->ignoreRest();
    if (download_) return download_->append(piece);
    body_ += piece;
    if (body_.size() < kAnswerInMemory) return true;
    download_ = std::make_shared<Download>();
    download_->append(std::exchange(body_, {}));
    response_.body = std::shared_ptr<http::BodySource>(download_);
    return reply(std::move(response_));
  }

  // The answer of an upload may be there before its end, for which no thread waits. False: the
  // client is gone.
  bool reply(Result<http::Response> answer) {
    std::optional<Caller> caller;
    {
      const MutexLock lock(mutex_);
      if (!caller_) {
        if (!abandoned_) early_.emplace(std::move(answer));
        return !abandoned_;
      }
      caller.emplace(*std::move(caller_));
      caller_.reset();
    }
    std::move(*caller).answer(std::move(answer));
    return true;
  }

  Relay& relay_;
  const Target target_;
  exec::Pool* pool_ = &relay_.parts_.pool;
  const identity::PrincipalRef principal_;
  const identity::Membership& membership_;  // of the principal
  const Deadline callersDeadline_;
  Deadline deadline_;
  net::StreamingRequest transfer_;
  std::shared_ptr<Upload> upload_;
  int status_ = 0;
  http::Response response_;
  std::string body_;
  std::shared_ptr<Download> download_;
  Mutex mutex_;
  bool abandoned_ CORBEL_GUARDED_BY(mutex_) = false;
  std::optional<Caller> caller_ CORBEL_GUARDED_BY(mutex_);
  std::optional<Result<http::Response>> early_ CORBEL_GUARDED_BY(mutex_);  // until he is there
};

namespace {

// What the transport writes an upload into, and what holds its passage until the body has ended.
class RelaySink final : public http::BodySink {
 public:
  RelaySink(std::shared_ptr<Upload> upload, std::shared_ptr<Passage> passage)
      : upload_(std::move(upload)), passage_(std::move(passage)) {}
  ~RelaySink() override {
    upload_->abandon();
    passage_->abandon();
  }
  void append(std::span<const std::byte> chunk,
              std::move_only_function<void(Result<void>)> done) override {
    upload_->append(chunk, std::move(done));
  }
  void finish(const http::Call& call) {
    passage_->answerTo(call);
    upload_->end();
  }

 private:
  const std::shared_ptr<Upload> upload_;
  const std::shared_ptr<Passage> passage_;
};

}  // namespace

std::vector<http::Route> Relay::routes(std::vector<http::Route> described, const Target& target) {
  for (http::Route& route : described) {
    route.quick = true;
    route.options.audit = http::Audit::never;         // the line is written where the change is
    route.options.repeatable = http::Repeatable::no;  // and the answer kept
    if (route.input == http::Input::upload) {
      route.openUpload = [this,
                          target](http::Call& call) -> Result<std::shared_ptr<http::BodySink>> {
        auto upload = std::make_shared<Upload>();
        auto passage = std::make_shared<Passage>(*this, target, call);
        passage->carry(upload,
                       parseNumber<std::uint64_t>(trim(call.head().header("Content-Length"))));
        if (!passage->start()) {
          call.addHeader("Retry-After", "1");
          return fail(ErrorCode::unavailable, std::string(kTooMany));
        }
        return std::make_shared<RelaySink>(std::move(upload), std::move(passage));
      };
      route.handler = [](const http::Call& call) {
        auto& sink = static_cast<RelaySink&>(*call.context().upload);
        sink.finish(call);
      };
      continue;
    }
    route.handler = [this, target](const http::Call& call) {
      auto passage = std::make_shared<Passage>(*this, target, call);
      passage->carry(call.body());
      passage->answerTo(call);
      if (!passage->start()) passage->refuse();
    };
  }
  return described;
}

}  // namespace corbel::relay
