#include "http/dispatcher.h"

#include <latch>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "dispatcher_fixture.h"
#include "http/route.h"
#include "http/server.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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

// Counts what the dispatcher is told, and waits for it.
class Ended final : public Observer {
 public:
  void onAnswered(const Answered& call, const CallContext& context) override {
    ended.set({std::string(context.errorCode), context.errorDetail,
               call.sent.aborted ? "aborted" : "written"});
  }
  Promised<std::vector<std::string>> ended;
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

TEST_F(DispatcherTest, ARouteMayHaveItsOwnDeadlineOrNone) {
  EXPECT_THAT(bodyOf(askFor("/deadline")), HasSubstr("\"30\""));
  EXPECT_THAT(bodyOf(askFor("/own-deadline")), HasSubstr("\"3600\""));
  EXPECT_THAT(bodyOf(askFor("/no-deadline")), HasSubstr("never"));
}

TEST_F(DispatcherTest, ACallerMayShortenADeadlineAndNothingElse) {
  EXPECT_THAT(bodyOf(askFor("/deadline", {{"Corbel-Deadline-Ms", "5000"}})), HasSubstr("\"5\""));
  EXPECT_THAT(bodyOf(askFor("/no-deadline", {{"Corbel-Deadline-Ms", "5000"}})), HasSubstr("\"5\""));
  for (const char* other : {"60000", "-1", "soon", "", "99999999999999999999"}) {
    EXPECT_THAT(bodyOf(askFor("/deadline", {{"Corbel-Deadline-Ms", other}})), HasSubstr("\"30\""))
        << other;
  }
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
