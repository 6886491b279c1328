#include "net/fetch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "base/trace.h"
#include "loopback_server.h"

namespace corbel::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

Result<std::string> get(const std::string& url,
                        FetchOptions options = {.plainHttpToLoopback = true}) {
  const SystemClock clock;
  return fetch(url, options, Deadline::after(clock, seconds(5)), clock);
}

TEST(Fetch, AnswersWithTheBody) {
  const Server server(ok("{\"keys\":[]}"));
  EXPECT_EQ(get(server.url()), "{\"keys\":[]}");
}

TEST(Fetch, FollowsNoRedirect) {
  const Server target(ok("secret"));
  const Server server(
      fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", target.url()));
  EXPECT_EQ(get(server.url()).error().code, ErrorCode::unavailable);
  EXPECT_EQ(target.connections(), 0);
}

TEST(Fetch, AcceptsNothingButStatus200) {
  for (const std::string_view status :
       {"201 Created", "204 No Content", "404 Not Found", "500 Internal Server Error"}) {
    const Server server(fmt::format("HTTP/1.1 {}\r\nContent-Length: 0\r\n\r\n", status));
    EXPECT_EQ(get(server.url()).error().code, ErrorCode::unavailable) << status;
  }
}

TEST(Fetch, TakesNoMoreThanTheBound) {
  const Server announced(ok(std::string(101, 'x')));
  EXPECT_EQ(get(announced.url(), {.maxBytes = 100, .plainHttpToLoopback = true}).error().code,
            ErrorCode::unavailable);
  const Server endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" +
                       std::string(1'000'000, 'x'));
  EXPECT_EQ(get(endless.url(), {.maxBytes = 100, .plainHttpToLoopback = true}).error().code,
            ErrorCode::unavailable);
  const Server fits(ok(std::string(100, 'x')));
  EXPECT_EQ(get(fits.url(), {.maxBytes = 100, .plainHttpToLoopback = true})->size(), 100u);
}

TEST(Fetch, EndsAtTheDeadline) {
  const Server silent("");
  const SystemClock clock;
  const SteadyTime begin = clock.steady();
  const auto fetched = fetch(silent.url(), {.plainHttpToLoopback = true},
                             Deadline::after(clock, milliseconds(100)), clock);
  EXPECT_EQ(fetched.error().code, ErrorCode::deadlineExceeded);
  EXPECT_LT(clock.steady() - begin, seconds(3));
  EXPECT_EQ(
      fetch(silent.url(), {.plainHttpToLoopback = true}, Deadline::at(begin), clock).error().code,
      ErrorCode::deadlineExceeded);
}

TEST(Fetch, SpeaksPlainHttpOnlyWhereAllowedAndOnlyToThisMachine) {
  const Server server(ok("keys"));
  EXPECT_EQ(get(server.url(), {}).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(server.connections(), 0);
  EXPECT_EQ(get("http://192.0.2.1/keys").error().code, ErrorCode::unavailable);
  EXPECT_EQ(get("HTTP://192.0.2.1/keys").error().code, ErrorCode::unavailable);
  EXPECT_EQ(get("hTTp://192.0.2.1/keys").error().code, ErrorCode::unavailable);
}

TEST(Fetch, RefusesOtherSchemesAndCredentialsInTheUrl) {
  for (const char* url :
       {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "dict://127.0.0.1/x", "",
        "keys", "https://", "https://user:secret@127.0.0.1/keys", "https://user@127.0.0.1/keys",
        "http://user@127.0.0.1/keys"}) {
    EXPECT_EQ(get(url).error().code, ErrorCode::invalidArgument) << url;
  }
}

TEST(Fetch, FailsWhereNobodyListensOrNobodySpeaksTls) {
  std::string url;
  {
    const Server gone(ok(""));
    url = gone.url();
  }
  EXPECT_EQ(get(url).error().code, ErrorCode::unavailable);
  const Server plain(ok("keys"));
  EXPECT_EQ(get("https" + plain.url().substr(4)).error().code, ErrorCode::unavailable);
}

TEST(Fetch, CarriesTheTraceOfTheCallThatItIsPartOf) {
  const Server server(ok("{}"));
  const trace::Context call{0x0af7651916cd43dd, 0x8448eb211c80319c, 0xb7ad6b7169203331, false};
  {
    const trace::Scope scope({.context = call});
    EXPECT_TRUE(get(server.url()));
  }
  EXPECT_TRUE(server.request().contains("traceparent: " + trace::toTraceparent(call)));
  EXPECT_TRUE(get(server.url()));
  EXPECT_FALSE(server.request().contains("traceparent"));
}

}  // namespace
}  // namespace corbel::net
