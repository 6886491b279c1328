#include "reply_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace corbel::redis {
namespace {

using Kind = Reply::Kind;

Reply read(std::string_view bytes) {
  ReplyReader reader;
  auto reply = reader.feed(bytes);
  EXPECT_TRUE(reply && *reply) << bytes;
  EXPECT_TRUE(reader.isEmpty());
  return reply && *reply ? **std::move(reply) : Reply();
}

bool isRefused(std::string_view bytes) { return !ReplyReader().feed(bytes); }

TEST(ReplyReader, ReadsEveryKind) {
  EXPECT_EQ(read("+OK\r\n").kind, Kind::status);
  EXPECT_EQ(read("+OK\r\n").text, "OK");
  EXPECT_EQ(read("-ERR no\r\n").kind, Kind::error);
  EXPECT_EQ(read("-ERR no\r\n").text, "ERR no");
  EXPECT_EQ(read(":-42\r\n").integer, -42);
  EXPECT_EQ(read("$5\r\na\r\nbc\r\n").text, "a\r\nbc");
  EXPECT_EQ(read("$-1\r\n").kind, Kind::nil);
  EXPECT_EQ(read("*-1\r\n").kind, Kind::nil);
  EXPECT_TRUE(read("*0\r\n").elements.empty());
  const Reply nested = read("*2\r\n*2\r\n:1\r\n$1\r\nx\r\n+y\r\n");
  ASSERT_EQ(nested.elements.size(), 2u);
  EXPECT_EQ(nested.elements[0].elements[0].integer, 1);
  EXPECT_EQ(nested.elements[0].elements[1].text, "x");
  EXPECT_EQ(nested.elements[1].text, "y");
}

TEST(ReplyReader, WaitsForTheRest) {
  ReplyReader reader;
  for (const char c : std::string("*2\r\n:1\r\n$2\r\nab\r")) {
    const auto reply = reader.feed({&c, 1});
    ASSERT_TRUE(reply);
    EXPECT_FALSE(*reply);
  }
  const auto whole = reader.feed("\n");
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->elements[1].text, "ab");
}

TEST(ReplyReader, TellsThatMoreCameThanOneReply) {
  ReplyReader reader;
  ASSERT_TRUE(reader.feed("+OK\r\n+OK\r\n"));
  EXPECT_FALSE(reader.isEmpty());
}

TEST(ReplyReader, RefusesGarbage) {
  EXPECT_TRUE(isRefused("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_TRUE(isRefused("*99999999999999999999\r\n"));
  EXPECT_TRUE(isRefused("*1\r\n?\r\n"));
  EXPECT_TRUE(isRefused(":12x\r\n"));
}

TEST(ReplyReader, BelievesNoNumberBeforeItHasSeenTheBytes) {
  EXPECT_TRUE(isRefused("*2147483647\r\n"));
  EXPECT_TRUE(isRefused("*" + std::to_string(kReplyElements + 1) + "\r\n"));
  std::string nested;
  for (int i = 0; i < 64; ++i) nested += "*64\r\n";
  EXPECT_TRUE(isRefused(nested));
}

TEST(ReplyReader, CountsTheElementsOfAllArrays) {
  std::string answer = "*128\r\n";
  for (int i = 0; i < 128; ++i) answer += "*64\r\n" + std::string(64 * 4, ' ');
  for (std::size_t at = answer.find("  "); at != std::string::npos; at = answer.find("  "))
    answer.replace(at, 4, ":1\r\n");
  EXPECT_TRUE(isRefused(answer));
}

TEST(ReplyReader, GivesUpOnAnAnswerWithoutEnd) {
  ReplyReader reader;
  ASSERT_TRUE(reader.feed("$1000000000\r\n"));
  const std::string piece(1'000'000, 'x');
  std::size_t fed = 0;
  while (reader.feed(piece)) fed += piece.size();
  EXPECT_LE(fed, kReplyBytes);
}

}  // namespace
}  // namespace corbel::redis
