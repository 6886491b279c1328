#include "net/streaming_client.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "loopback_server.h"

namespace corbel::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class StreamingClientTest : public testing::Test {
 protected:
  Result<void> run(StreamingRequest transfer, milliseconds most = seconds(5)) {
    transfer.onHead = [this](StreamingHead given) {
      head = std::move(given);
      return true;
    };
    transfer.onBody = [this](std::string_view piece) {
      body += piece;
      return body.size() < giveUpAt;
    };
    return client.run(transfer, Deadline::after(clock, most));
  }
  std::string header(const std::string& name) {
    for (const auto& [own, value] : head.headers) {
      if (own == name) return value;
    }
    return "";
  }

  SystemClock clock;
  StreamingClient client{clock};
  StreamingHead head;
  std::string body;
  std::size_t giveUpAt = 1'000'000;
};

TEST_F(StreamingClientTest, GivesHeadAndBodyOfTheAnswer) {
  const Server server(
      "HTTP/1.1 409 Conflict\r\nConnection: close\r\nETag: \"1\"\r\nContent-Length: "
      "5\r\n\r\nhello");
  ASSERT_TRUE(run({.method = "GET", .url = server.url()}));
  EXPECT_EQ(head.status, 409);
  EXPECT_EQ(header("etag"), "\"1\"");
  EXPECT_EQ(body, "hello");
}

TEST_F(StreamingClientTest, GivesTheHeadOfAnAnswerWithoutABody) {
  const Server server("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(run({.method = "DELETE", .url = server.url()}));
  EXPECT_EQ(head.status, 204);
}

TEST_F(StreamingClientTest, GivesUpWhenItIsToStop) {
  const Server server("");
  std::stop_source stop;
  stop.request_stop();
  const auto outcome =
      run({.method = "GET", .url = server.url(), .stop = stop.get_token()}, seconds(60));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::aborted);
}

TEST_F(StreamingClientTest, FollowsNoRedirect) {
  const Server target("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  const Server server("HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: " +
                      target.url() + "\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(run({.method = "GET", .url = server.url()}));
  EXPECT_EQ(head.status, 307);
  EXPECT_EQ(target.connections(), 0);
}

TEST_F(StreamingClientTest, SendsTheBodyInPieces) {
  const Server server("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  int pieces = 0;
  ASSERT_TRUE(run({.method = "POST",
                   .url = server.url(),
                   .body = [&](std::span<char> space) -> std::optional<std::size_t> {
                     if (++pieces > 3) return 0;
                     std::memset(space.data(), 'x', 10);
                     return 10;
                   },
                   .bodyBytes = 30}));
  EXPECT_EQ(head.status, 200);
  EXPECT_GE(pieces, 3);
}

TEST_F(StreamingClientTest, EndsWhenTheBodyIsGivenUp) {
  const Server server("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  const auto outcome =
      run({.method = "POST",
           .url = server.url(),
           .body = [](std::span<char>) -> std::optional<std::size_t> { return std::nullopt; },
           .bodyBytes = 30});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::aborted);
}

TEST_F(StreamingClientTest, EndsWhenNobodyWantsTheAnswer) {
  const Server server("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
  giveUpAt = 1;
  const auto outcome = run({.method = "GET", .url = server.url()});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::aborted);
}

TEST_F(StreamingClientTest, SaysThatNobodyAnswers) {
  std::string url;
  {
    const Server gone("");
    url = gone.url();
  }
  const auto outcome = run({.method = "GET", .url = url});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
}

TEST_F(StreamingClientTest, EndsAtItsDeadline) {
  const Server silent("");
  const auto outcome = run({.method = "GET", .url = silent.url()}, milliseconds(50));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::deadlineExceeded);
}

TEST_F(StreamingClientTest, AnAnswerThatIsCutOffIsNone) {
  const Server server("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\nhello");
  const auto outcome = run({.method = "GET", .url = server.url()});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
}

TEST_F(StreamingClientTest, RefusesOtherSchemes) {
  EXPECT_FALSE(run({.method = "GET", .url = "file:///etc/hostname"}));
  EXPECT_EQ(body, "");
}

}  // namespace
}  // namespace corbel::net
