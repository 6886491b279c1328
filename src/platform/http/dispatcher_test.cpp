#include "http/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>
#include <stdexcept>
#include <thread>

#include "base/mutex.h"
#include "base/random.h"
#include "http/route.h"
#include "http/server.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Greeting {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (text))

struct GreetingQuery {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(GreetingQuery, (), (name))

class CollectingSink final : public BodySink {
 public:
  void append(std::span<const std::byte> chunk,
              std::move_only_function<void(Result<void>)> done) override {
    content.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    done({});
  }
  std::string content;
};

class TestApi {
 public:
  static constexpr auto routes() {
    return std::tuple{
        get<&TestApi::greet>("/greet", openToAll, "Greet"),
        post<&TestApi::echo>("/greet", openToAll, "Echo", {.bodyMax = 64}),
        get<&TestApi::fail_>("/fail", openToAll, "Throw"),
        get<&TestApi::failLate>("/fail-late", openToAll, "Throw when the client is gone"),
        get<&TestApi::remaining>("/deadline", openToAll, "Time left"),
        get<&TestApi::remaining>("/own-deadline", openToAll, "Time left",
                                 {.deadline = std::chrono::hours(1)}),
        get<&TestApi::remaining>("/no-deadline", openToAll, "Time left", {.deadline = kNoDeadline}),
        get<&TestApi::much>("/much", openToAll, "A long answer"),
        get<&TestApi::muchQuickly>("/much-quickly", openToAll, "The same on the network thread"),
        webSocket<&TestApi::talk>("/talk", openToAll, "Talk", {.bodyMax = 77}),
        get<&TestApi::failQuickly>("/fail-quickly", openToAll, "Throw on the network thread"),
        get<&TestApi::forget>("/forget", openToAll, "Drop the reply"),
        get<&TestApi::wait>("/wait", openToAll, "Keep a thread"),
        get<&TestApi::where>("/quick", openToAll, "Answer on the network thread"),
        upload<&TestApi::begin, &TestApi::finish>("/upload", openToAll, "Upload",
                                                  {.bodyMax = 1000})};
  }

  std::latch go{1};
  Promised<bool> began;
  Promised<bool> abandoned;
  std::shared_ptr<CollectingSink> sink = std::make_shared<CollectingSink>();
  bool refuseUpload = false;

 private:
  Result<Greeting> greet(Call&, const GreetingQuery& query) {
    return Greeting{"hello " + query.name};
  }
  Result<Greeting> echo(Call&, const Greeting& greeting) { return greeting; }
  Result<Greeting> fail_(Call&) { throw std::runtime_error("disk on fire"); }
  Result<Greeting> remaining(Call& call) {
    if (call.deadline().time() == SteadyTime::max()) return Greeting{"never"};
    const auto left = call.deadline().time() - call.startedAt();
    return Greeting{std::to_string(std::chrono::duration_cast<std::chrono::seconds>(left).count())};
  }
  Result<Greeting> much(Call&) { return Greeting{std::string(100'000, 'x')}; }
  void muchQuickly(Call, Reply<Greeting> reply) { reply(Greeting{std::string(100'000, 'x')}); }
  Result<std::shared_ptr<WebSocketHandler>> talk(Call&) {
    return std::shared_ptr<WebSocketHandler>();
  }
  Result<Greeting> failLate(Call& call) {
    call.exchange()->onGone([this] { abandoned.set(true); });
    began.set(true);
    go.wait();
    throw std::runtime_error("disk on fire");
  }
  void failQuickly(Call, Reply<Greeting>) { throw std::runtime_error("disk on fire"); }
  void forget(Call, Reply<Greeting>) {}
  Result<Greeting> wait(Call&) {
    go.wait();
    return Greeting{"waited"};
  }
  void where(Call, Reply<Greeting> reply) { reply(Greeting{"here"}); }
  Result<std::shared_ptr<BodySink>> begin(Call&) {
    if (refuseUpload) return fail(ErrorCode::insufficientStorage, "The storage is used up.");
    return sink;
  }
  Result<Created<Greeting>> finish(Call& call, const GreetingQuery& query) {
    const auto& content = static_cast<CollectingSink&>(*call.context().upload).content;
    return Created<Greeting>{"/greet", {query.name + ": " + content}};
  }
};

// A route says who may take it, or it does not compile.
struct OpenHandler {
  Result<Greeting> greet(Call&) { return Greeting{}; }
};
template <class... Arguments>
concept MakesARoute =
    requires(Arguments... arguments) { get<&OpenHandler::greet>("/greet", arguments...); };
static_assert(MakesARoute<Permission, const char*>);
static_assert(MakesARoute<OpenToAll, const char*>);
static_assert(!MakesARoute<const char*>);
static_assert(!MakesARoute<const char*, RouteOptions>);

// Admits at once, later, or not at all.
class Doorkeeper final : public Admission {
 public:
  std::optional<Result<void>> tryNow(Call&) override { return now; }
  Result<void> decide(Call&) override {
    decidedOn = std::this_thread::get_id();
    return later;
  }
  std::optional<Result<void>> now = Result<void>();
  Result<void> later;
  std::thread::id decidedOn;
};

class Witness final : public Observer {
 public:
  bool wantsBodies() const override { return showBodies; }
  void onBodies(const CallContext&, std::string_view request, std::string_view response) override {
    requestBody = request;
    responseBody = response;
  }
  void onAnswered(const Answered& call, const CallContext& context) override {
    ++answered;
    status = call.sent.status;
    code = context.errorCode;
    detail = context.errorDetail;
  }
  bool showBodies = false;
  std::string requestBody, responseBody;
  int answered = 0, status = 0;
  std::string code, detail;
};

// A transport without a socket: the body is there at once, the response is kept.
class TestExchange final : public Exchange {
 public:
  TestExchange(Service& service, Method method, std::string target, std::vector<Header> headers,
               std::string content)
      : service_(service), target_(std::move(target)), content_(std::move(content)) {
    reset(std::chrono::steady_clock::now());
    head_.method = method;
    head_.target = target_;
    head_.path = std::string_view(target_).substr(0, target_.find('?'));
    if (head_.path.size() < target_.size())
      head_.query = std::string_view(target_).substr(head_.path.size() + 1);
    head_.headers = std::move(headers);
  }
  void readBody(BodyPlan plan) override {
    maxBytes = plan.maxBytes;
    if (plan.sink) {
      plan.sink->append(std::as_bytes(std::span(content_)), [](const Result<void>&) {});
    } else {
      body_ = content_;
    }
    service_.onBody(shared_from_this());
  }
  void post(std::move_only_function<void()> work) override { work(); }

  Response await() {
    MutexLock lock(mutex_);
    while (!response_) lock.wait(sent_);
    return *std::exchange(response_, std::nullopt);
  }
  std::optional<std::size_t> maxBytes;

 private:
  void send(Response response) override {
    const int status = response.status;
    service_.onSent(*this, {.status = status});
    const MutexLock lock(mutex_);
    response_ = std::move(response);
    sent_.notify_all();
  }

  Service& service_;
  const std::string target_;
  const std::string content_;
  Mutex mutex_;
  std::condition_variable sent_;
  std::optional<Response> response_ CORBEL_GUARDED_BY(mutex_);
};

// Counts what the dispatcher is told, and waits for it.
class Ended final : public Observer {
 public:
  void onAnswered(const Answered& call, const CallContext& context) override {
    ended.set({std::string(context.errorCode), context.errorDetail,
               call.sent.aborted ? "aborted" : "written"});
  }
  Promised<std::vector<std::string>> ended;
};

class DispatcherTest : public testing::Test {
 protected:
  ~DispatcherTest() override { pool.stop(Deadline::after(clock, std::chrono::seconds(10))); }

  Dispatcher& dispatcher() {
    if (!dispatcher_) {
      dispatcher_.emplace(Dispatcher::Parts{router, doorkeeper, witness, pool, clock, ids},
                          options);
    }
    return *dispatcher_;
  }
  std::shared_ptr<TestExchange> begin(Method method, std::string target,
                                      std::vector<Header> headers = {}, std::string body = {}) {
    auto exchange = std::make_shared<TestExchange>(dispatcher(), method, std::move(target),
                                                   std::move(headers), std::move(body));
    dispatcher().onHead(exchange);
    return exchange;
  }
  Response ask(Method method, std::string target, std::vector<Header> headers = {},
               std::string body = {}) {
    return begin(method, std::move(target), std::move(headers), std::move(body))->await();
  }
  Response askFor(std::string target, std::vector<Header> headers = {}) {
    return ask(Method::get, std::move(target), std::move(headers));
  }
  static std::string bodyOf(const Response& response) {
    const auto* text = std::get_if<std::string>(&response.body);
    return text != nullptr ? *text : "";
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }

  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  TestApi api;
  Router router{mount(api, "Test")};
  Doorkeeper doorkeeper;
  Witness witness;
  exec::Pool pool{{.name = "api", .threads = 1, .queueBound = 1}, clock};
  DispatcherOptions options;

 private:
  std::optional<Dispatcher> dispatcher_;
};

TEST_F(DispatcherTest, AnswersFromTheQuery) {
  const Response response = askFor("/greet?name=Ann");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(bodyOf(response), R"({"text":"hello Ann"})");
  EXPECT_EQ(witness.answered, 1);
  EXPECT_EQ(witness.status, 200);
}

TEST_F(DispatcherTest, AnswersFromAJsonBody) {
  EXPECT_EQ(bodyOf(ask(Method::post, "/greet",
                       {{"Content-Type", "application/json; charset=utf-8"}}, R"({"text":"hi"})")),
            R"({"text":"hi"})");
  EXPECT_EQ(ask(Method::post, "/greet", {{"Content-Type", "text/plain"}}, "hi").status, 415);
  EXPECT_EQ(ask(Method::post, "/greet", {{"Content-Type", "application/json"}}, "{").status, 400);
}

TEST_F(DispatcherTest, ReadsNoMoreThanTheRouteAllows) {
  const auto exchange =
      begin(Method::post, "/greet", {{"Content-Type", "application/json"}}, R"({"text":"hi"})");
  EXPECT_EQ(exchange->maxBytes, 64U);
  exchange->await();
  const auto bodiless = begin(Method::get, "/greet?name=a");
  EXPECT_EQ(bodiless->maxBytes, 0U);
  bodiless->await();
}

TEST_F(DispatcherTest, AnExceptionIsAProblemAndNotTheEnd) {
  const Response response = askFor("/fail");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.contentType, "application/problem+json");
  EXPECT_THAT(bodyOf(response), HasSubstr(R"("code":"internal")"));
  EXPECT_THAT(bodyOf(response), Not(HasSubstr("fire")));
  EXPECT_EQ(witness.detail, "disk on fire");
  EXPECT_EQ(askFor("/greet?name=Ann").status, 200);
}

TEST_F(DispatcherTest, AnExceptionOnTheNetworkThreadIsAProblemToo) {
  EXPECT_EQ(askFor("/fail-quickly").status, 500);
  EXPECT_EQ(askFor("/quick").status, 200);
}

TEST_F(DispatcherTest, AccountsForACallOnlyWhenItsHandlerHasEndedThoughTheClientIsGone) {
  Ended observer;
  Dispatcher serving({router, doorkeeper, observer, pool, clock, ids}, options);
  auto server = Server::start({.endpoints = {{.port = 0}}}, serving, clock);
  ASSERT_TRUE(server);
  Client client((*server)->port());
  ASSERT_TRUE(client.send("GET /fail-late HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  api.began.wait();
  client.reset();
  api.abandoned.wait();
  api.go.count_down();
  EXPECT_EQ(observer.ended.wait(),
            (std::vector<std::string>{"internal", "disk on fire", "aborted"}));
}

TEST_F(DispatcherTest, CompressesWhereTheClientAsks) {
  for (const char* path : {"/much", "/much-quickly"}) {
    const Response packed = askFor(path, {{"Accept-Encoding", "gzip"}});
    EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
    EXPECT_EQ(header(packed, "Vary"), "Accept-Encoding");
    EXPECT_LT(bodyOf(packed).size(), 1000U);
    const Response plain = askFor(path);
    EXPECT_EQ(header(plain, "Content-Encoding"), "");
    EXPECT_EQ(header(plain, "Vary"), "Accept-Encoding");
    EXPECT_GT(bodyOf(plain).size(), 100'000U);
  }
}

TEST_F(DispatcherTest, CompressesNothingWhereTheOperatorSaysSo) {
  options.compression = false;
  const Response plain = askFor("/much", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(header(plain, "Content-Encoding"), "");
  EXPECT_EQ(header(plain, "Vary"), "");
}

TEST_F(DispatcherTest, OpensAWebSocketBehindTheGates) {
  const std::vector<Header> upgrade = {{"Upgrade", "websocket"},
                                       {"Connection", "Upgrade"},
                                       {"Sec-WebSocket-Version", "13"},
                                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  const Response opened = askFor("/talk", upgrade);
  EXPECT_EQ(opened.status, 101);
  EXPECT_EQ(std::get<WebSocketUpgrade>(opened.body).maxMessage, 77U);
  EXPECT_EQ(askFor("/talk").status, 400);
  EXPECT_EQ(header(askFor("/talk"), "Sec-WebSocket-Version"), "13");
  doorkeeper.now = std::unexpected(Error{ErrorCode::unauthenticated, "who are you?", {}, {}});
  EXPECT_EQ(askFor("/talk", upgrade).status, 401);
}

TEST_F(DispatcherTest, OpensAWebSocketOnlyToPagesOfAllowedOrigins) {
  options.cors.allowedOrigins = {"https://app.example.com"};
  options.allowedHosts = {"ai.example.com"};
  const std::pair<const char*, int> cases[] = {{"https://app.example.com", 101},
                                               {"http://ai.example.com:3004", 101},
                                               {"https://ai.example.com:3004", 101},
                                               {"null", 403},
                                               {"", 403},
                                               {"https://evil.example", 403},
                                               {"https://app.example.com.evil.example", 403},
                                               {"https://evil.app.example.com", 403},
                                               {"https://app.example.com:444", 403},
                                               {"http://app.example.com", 403},
                                               {"https://ai.example.com", 403},
                                               {"HTTPS://APP.EXAMPLE.COM", 403}};
  for (const auto& [origin, status] : cases) {
    EXPECT_EQ(askFor("/talk", {{"Host", "ai.example.com:3004"},
                               {"Upgrade", "websocket"},
                               {"Connection", "Upgrade"},
                               {"Sec-WebSocket-Version", "13"},
                               {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                               {"Origin", origin}})
                  .status,
              status)
        << origin;
  }
}

TEST_F(DispatcherTest, ARouteMayHaveItsOwnDeadlineOrNone) {
  EXPECT_THAT(bodyOf(askFor("/deadline")), HasSubstr("\"30\""));
  EXPECT_THAT(bodyOf(askFor("/own-deadline")), HasSubstr("\"3600\""));
  EXPECT_THAT(bodyOf(askFor("/no-deadline")), HasSubstr("never"));
}

TEST_F(DispatcherTest, AReplyThatIsDroppedAnswers500) {
  EXPECT_EQ(askFor("/forget").status, 500);
  EXPECT_EQ(witness.detail, "reply dropped");
}

TEST_F(DispatcherTest, AFullPoolAnswersAtOnce) {
  const auto running = begin(Method::get, "/wait");
  while (pool.stats().running == 0) std::this_thread::yield();
  const auto queued = begin(Method::get, "/wait");
  const Response refused = askFor("/wait");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(header(refused, "Retry-After"), "1");
  EXPECT_EQ(askFor("/quick").status, 200);
  api.go.count_down();
  EXPECT_EQ(running->await().status, 200);
  EXPECT_EQ(queued->await().status, 200);
}

TEST_F(DispatcherTest, ARefusedCallReachesNoHandler) {
  doorkeeper.now = std::unexpected(Error{ErrorCode::unauthenticated, "Send a key.", {}, {}});
  const Response response = askFor("/forget");
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(header(response, "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(witness.code, "unauthenticated");
}

TEST_F(DispatcherTest, WhatNeedsIoIsDecidedOnThePool) {
  doorkeeper.now = std::nullopt;
  EXPECT_EQ(askFor("/quick").status, 200);
  EXPECT_NE(doorkeeper.decidedOn, std::thread::id());
  EXPECT_NE(doorkeeper.decidedOn, std::this_thread::get_id());
  doorkeeper.later = fail(ErrorCode::permissionDenied, "No.");
  EXPECT_EQ(askFor("/quick").status, 403);
}

TEST_F(DispatcherTest, UploadsStreamIntoTheSink) {
  const Response response = ask(Method::post, "/upload?name=file", {}, "content");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(header(response, "Location"), "/greet");
  EXPECT_EQ(bodyOf(response), R"({"text":"file: content"})");
}

TEST_F(DispatcherTest, ARefusedUploadIsNotRead) {
  api.refuseUpload = true;
  const auto exchange = begin(Method::post, "/upload?name=file", {}, "content");
  EXPECT_EQ(exchange->await().status, 507);
  EXPECT_EQ(exchange->maxBytes, std::nullopt);
  EXPECT_THAT(api.sink->content, IsEmpty());
}

TEST_F(DispatcherTest, HeadFindsTheGetRoute) {
  EXPECT_EQ(ask(Method::head, "/greet?name=Ann").status, 200);
}

TEST_F(DispatcherTest, OptionsWithoutPreflightIsAMethodLikeAnyOther) {
  const Response response = ask(Method::options, "/greet");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(header(response, "Allow"), "GET, HEAD, POST");
}

TEST_F(DispatcherTest, SaysWhereNothingIs) {
  const Response response = askFor("/nowhere");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(bodyOf(response), HasSubstr(R"("instance":"/nowhere")"));
}

TEST_F(DispatcherTest, RefusesCompressedBodies) {
  EXPECT_EQ(ask(Method::post, "/greet",
                {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}, "x")
                .status,
            415);
}

TEST_F(DispatcherTest, KeepsAGoodRequestIdAndReplacesOthers) {
  const std::string longest(limits::kRequestIdLength, 'a');
  for (const std::string& good : {std::string("abc-DEF_123"), longest}) {
    EXPECT_EQ(header(askFor("/quick", {{"X-Request-ID", good}}), "X-Request-ID"), good);
  }
  for (const std::string& bad :
       {std::string("a b"), std::string("<script>"), longest + "a", std::string("é")}) {
    const std::string made = header(askFor("/quick", {{"X-Request-ID", bad}}), "X-Request-ID");
    EXPECT_TRUE(isUuid(made)) << bad;
  }
}

TEST_F(DispatcherTest, GivesErrorsTheRequestsId) {
  EXPECT_THAT(bodyOf(askFor("/nowhere", {{"X-Request-ID", "r-1"}})),
              HasSubstr(R"("correlationId":"r-1")"));
}

TEST_F(DispatcherTest, AnswersOnlyNamesThatAreItsOwn) {
  options.allowedHosts = {"corbel.example"};
  for (const std::string_view good :
       {"localhost:3004", "127.0.0.1:3004", "[::1]:3004", "CORBEL.example:443", ""}) {
    EXPECT_EQ(askFor("/quick", {{"Host", good}}).status, 200) << good;
  }
  for (const std::string_view bad :
       {"evil.example", "corbel.example.evil.example", "127.0.0.1.evil.example"}) {
    EXPECT_EQ(askFor("/quick", {{"Host", bad}}).status, 403) << bad;
  }
}

TEST_F(DispatcherTest, AnswersEveryNameWhereTheOperatorSaysSo) {
  options.allowedHosts = {"*"};
  EXPECT_EQ(askFor("/quick", {{"Host", "any.example"}}).status, 200);
}

TEST_F(DispatcherTest, LetsOnlyListedOriginsRead) {
  options.cors.allowedOrigins = {"https://app.example"};
  const Response listed = askFor("/quick", {{"Origin", "https://app.example"}});
  EXPECT_EQ(header(listed, "Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(header(listed, "Vary"), "Origin");
  EXPECT_EQ(
      header(askFor("/quick", {{"Origin", "https://evil.example"}}), "Access-Control-Allow-Origin"),
      "");
  EXPECT_EQ(header(askFor("/quick"), "Access-Control-Allow-Origin"), "");
}

TEST_F(DispatcherTest, LetsEveryOriginReadWhereTheOperatorSaysSo) {
  options.cors.allowedOrigins = {"*"};
  EXPECT_EQ(
      header(askFor("/quick", {{"Origin", "https://any.example"}}), "Access-Control-Allow-Origin"),
      "*");
}

TEST_F(DispatcherTest, AnswersAPreflightBeforeTheGates) {
  doorkeeper.now = std::unexpected(Error{ErrorCode::unauthenticated, "no", {}, {}});
  options.cors.allowedOrigins = {"https://app.example"};
  const Response response =
      ask(Method::options, "/greet",
          {{"Origin", "https://app.example"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(response.status, 204);
  EXPECT_THAT(header(response, "Access-Control-Allow-Methods"), HasSubstr("POST"));
  EXPECT_THAT(header(response, "Access-Control-Allow-Headers"), HasSubstr("Authorization"));
}

TEST_F(DispatcherTest, ShowsBodiesOnlyToWhoAsks) {
  ask(Method::post, "/greet", {{"Content-Type", "application/json"}}, R"({"text":"hi"})");
  EXPECT_EQ(witness.requestBody, "");
  witness.showBodies = true;
  ask(Method::post, "/greet", {{"Content-Type", "application/json"}}, R"({"text":"hi"})");
  EXPECT_EQ(witness.requestBody, R"({"text":"hi"})");
  EXPECT_EQ(witness.responseBody, R"({"text":"hi"})");
}

TEST_F(DispatcherTest, NamesNoDocumentThatIsNotServed) {
  const auto body = std::get<std::string>(ask(Method::get, "/nowhere").body);
  EXPECT_THAT(body, HasSubstr(R"("detail":"There is nothing at this path.")"));
  EXPECT_THAT(body, HasSubstr(R"("instance":"/nowhere")"));
}

TEST_F(DispatcherTest, TellsWhomItHasNoRoomForWhenToComeBack) {
  const Error busy{ErrorCode::unavailable, "too many bodies", {}, {}};
  EXPECT_EQ(header(dispatcher().onUnreadable(busy, {}, nullptr), "Retry-After"), "1");
}

TEST_F(DispatcherTest, AnswersWhatCouldNotBeRead) {
  RequestHead head;
  head.peer.address = "10.0.0.1";
  head.path = "/greet";
  const Response response =
      dispatcher().onUnreadable({ErrorCode::headerTooLarge, "too large", {}, {}}, head, nullptr);
  EXPECT_EQ(response.status, 431);
  EXPECT_TRUE(isUuid(header(response, "X-Request-ID")));
  EXPECT_THAT(std::get<std::string>(response.body), HasSubstr(R"("instance":"/greet")"));
  EXPECT_EQ(witness.answered, 1);
  EXPECT_EQ(witness.code, "header_too_large");
}

}  // namespace
}  // namespace corbel::http
