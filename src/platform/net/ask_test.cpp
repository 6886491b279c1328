#include "net/ask.h"

#include <gtest/gtest.h>

#include "loopback_server.h"

namespace corbel::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Result<Answer> askServer(const std::string& url, AskOptions options = {},
                         std::chrono::milliseconds time = seconds(5)) {
  const SystemClock clock;
  return ask({.url = url}, options, Deadline::after(clock, time), clock);
}

const AskOptions kTrusted{.destination = {.anyHost = true}};

TEST(Ask, TellsTheStatusAndTheBodyWhateverTheyAre) {
  const Server server("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
  const auto answer = askServer(server.url(), kTrusted);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "none");
  EXPECT_FALSE(answer->retryAfter);
}

TEST(Ask, TellsHowLongToWait) {
  const Server server("HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(askServer(server.url(), kTrusted)->retryAfter, seconds(17));
}

TEST(Ask, FollowsNoRedirect) {
  const Server target("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const Server server("HTTP/1.1 302 Found\r\nLocation: " + target.url() +
                      "\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(askServer(server.url(), kTrusted)->status, 302);
  EXPECT_EQ(target.connections(), 0);
}

TEST(Ask, ReadsNoMoreThanItsBound) {
  const Server server("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" +
                      std::string(100'000, 'x'));
  AskOptions options = kTrusted;
  options.maxBytes = 1'000;
  EXPECT_EQ(askServer(server.url(), options).error().code, ErrorCode::unavailable);
}

TEST(Ask, WaitsNoLongerThanItsTime) {
  const Server silent("");
  EXPECT_EQ(askServer(silent.url(), kTrusted, milliseconds(50)).error().code,
            ErrorCode::deadlineExceeded);
}

TEST(Ask, GoesToPrivateAddressesOnlyWhereTheOperatorSaysSo) {
  const Server server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(askServer(server.url()).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(askServer("https://127.0.0.1:8443/").error().code, ErrorCode::permissionDenied);
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace corbel::net
