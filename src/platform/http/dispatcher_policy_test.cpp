// What the dispatcher allows, adds and leaves out, whatever the route.
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dispatcher_fixture.h"
#include "http/dispatcher.h"
#include "http/web_socket.h"

namespace corbel::http {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using PolicyTest = DispatcherTest;

TEST_F(PolicyTest, CompressesWhereTheClientAsks) {
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

TEST_F(PolicyTest, CompressesNothingWhereTheOperatorSaysSo) {
  options.compression = false;
  const Response plain = askFor("/much", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(header(plain, "Content-Encoding"), "");
  EXPECT_EQ(header(plain, "Vary"), "");
}

TEST_F(PolicyTest, OpensAWebSocketBehindTheGates) {
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

TEST_F(PolicyTest, OpensAWebSocketOnlyToPagesOfAllowedOrigins) {
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

TEST_F(PolicyTest, AnswersOnlyNamesThatAreItsOwn) {
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

TEST_F(PolicyTest, AnswersEveryNameWhereTheOperatorSaysSo) {
  options.allowedHosts = {"*"};
  EXPECT_EQ(askFor("/quick", {{"Host", "any.example"}}).status, 200);
}

TEST_F(PolicyTest, LetsOnlyListedOriginsRead) {
  options.cors.allowedOrigins = {"https://app.example"};
  const Response listed = askFor("/quick", {{"Origin", "https://app.example"}});
  EXPECT_EQ(header(listed, "Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(header(listed, "Vary"), "Origin");
  EXPECT_EQ(
      header(askFor("/quick", {{"Origin", "https://evil.example"}}), "Access-Control-Allow-Origin"),
      "");
  EXPECT_EQ(header(askFor("/quick"), "Access-Control-Allow-Origin"), "");
}

TEST_F(PolicyTest, LetsEveryOriginReadWhereTheOperatorSaysSo) {
  options.cors.allowedOrigins = {"*"};
  EXPECT_EQ(
      header(askFor("/quick", {{"Origin", "https://any.example"}}), "Access-Control-Allow-Origin"),
      "*");
}

TEST_F(PolicyTest, AnswersAPreflightBeforeTheGates) {
  doorkeeper.now = std::unexpected(Error{ErrorCode::unauthenticated, "no", {}, {}});
  options.cors.allowedOrigins = {"https://app.example"};
  const Response response =
      ask(Method::options, "/greet",
          {{"Origin", "https://app.example"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(response.status, 204);
  EXPECT_THAT(header(response, "Access-Control-Allow-Methods"), HasSubstr("POST"));
  EXPECT_THAT(header(response, "Access-Control-Allow-Headers"), HasSubstr("Authorization"));
}

}  // namespace
}  // namespace corbel::http
