#include "net/transfer.h"

#include <gtest/gtest.h>

#include <string>

#include "loopback_server.h"

namespace corbel::net {
namespace {

class TransferTest : public testing::Test {
 protected:
  Result<Transferred> ask(const Server& server, Transfer transfer = {}) const {
    transfer.url = server.url();
    return net::transfer(transfer, Deadline::after(clock, std::chrono::seconds(5)), clock);
  }
  static std::string answerOf(std::string_view status, std::string_view body) {
    return fmt::format("HTTP/1.1 {}\r\nETag: \"a\"\r\nX-Other:  b \r\nContent-Length: {}\r\n\r\n{}",
                       status, body.size(), body);
  }

  SystemClock clock;
};

TEST_F(TransferTest, AnyStatusIsAnAnswer) {
  const Server server(answerOf("404 Not Found", "<Error/>"));
  const auto answer = ask(server);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "<Error/>");
  EXPECT_EQ(answer->header("etag"), "\"a\"");
  EXPECT_EQ(answer->header("x-other"), "b");
  EXPECT_EQ(answer->header("nothing"), "");
}

TEST_F(TransferTest, GivesTheBodyOfASuccessAwayPieceByPiece) {
  const Server server(answerOf("200 OK", std::string(300'000, 'x')));
  std::size_t taken = 0;
  const auto answer = ask(server, {.url = {}, .write = [&](std::string_view piece) {
                                     taken += piece.size();
                                     return true;
                                   }});
  ASSERT_TRUE(answer);
  EXPECT_EQ(taken, 300'000u);
  EXPECT_EQ(answer->body, "");
}

TEST_F(TransferTest, KeepsTheBodyOfARefusalFromWhoTakesFiles) {
  const Server server(answerOf("403 Forbidden", "no"));
  const auto answer = ask(server, {.url = {}, .write = [](std::string_view) {
                                     ADD_FAILURE() << "a refusal is no file";
                                     return true;
                                   }});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "no");
}

TEST_F(TransferTest, EndsWhenWhoTakesSaysSo) {
  const Server server(answerOf("200 OK", "x"));
  const auto answer = ask(server, {.url = {}, .write = [](std::string_view) { return false; }});
  EXPECT_EQ(answer.error().code, ErrorCode::aborted);
}

TEST_F(TransferTest, KeepsNoEndlessBody) {
  const Server server(answerOf("200 OK", std::string(kKeptBytes + 1, 'x')));
  EXPECT_EQ(ask(server).error().code, ErrorCode::unavailable);
}

TEST_F(TransferTest, NobodyThereIsUnavailable) {
  Transfer transfer{.url = "http://127.0.0.1:9/"};
  const auto answer =
      net::transfer(transfer, Deadline::after(clock, std::chrono::seconds(5)), clock);
  EXPECT_EQ(answer.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace corbel::net
