#include "net/exchange.h"

#include <gtest/gtest.h>

#include <string>

#include "base/trace.h"
#include "loopback_server.h"

namespace corbel::net {
namespace {

constexpr std::size_t kMany = 1'000;

Result<Kept> whole(const Server& server, StreamingRequest wanted = {}, const Rules& rules = {}) {
  const SystemClock clock;
  wanted.method = "GET";
  wanted.url = server.url();
  return exchangeWhole(std::move(wanted), rules, kMany,
                       Deadline::after(clock, std::chrono::seconds(5)), clock);
}

TEST(Exchange, KeepsTheLastHeadAndTheBody) {
  const Server server(
      "HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"
      "HTTP/1.1 201 Created\r\nX-Own:  yes \r\nContent-Length: 2\r\n\r\nok");
  const auto kept = whole(server);
  ASSERT_TRUE(kept) << kept.error().detail;
  EXPECT_EQ(kept->head.status, 201);
  EXPECT_EQ(kept->header("x-own"), "yes");
  EXPECT_EQ(kept->header("x-interim"), "");
  EXPECT_EQ(kept->body, "ok");
}

TEST(Exchange, ReadsNoHeadWithoutEnd) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  while (head.size() < 80'000) head += "X-Long: " + std::string(1'000, 'x') + "\r\n";
  const Server server(head + "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(whole(server).error().code, ErrorCode::unavailable);
}

TEST(Exchange, ConnectsOnlyToAddressesWithinItsReach) {
  const Server server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(whole(server, {}, {.reach = Reach::publicInternet}).error().code,
            ErrorCode::permissionDenied);
  EXPECT_EQ(server.connections(), 0);
  EXPECT_TRUE(whole(server, {}, {.reach = Reach::thisMachine}));
}

TEST(Exchange, TellsOfItsOwnTraceRatherThanOfThatInAHeaderPassedOn) {
  const Server server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const std::string theirs = "00-11111111111111111111111111111111-2222222222222222-01";
  const trace::Context own{0x0af7651916cd43dd, 0x8448eb211c80319c, 0xb7ad6b7169203331, false};
  ASSERT_TRUE(whole(server, {.method = {}, .url = {}, .headers = {{"traceparent", theirs}}}));
  EXPECT_TRUE(server.request().contains(theirs));
  const trace::Scope scope({.context = own});
  ASSERT_TRUE(whole(server, {.method = {}, .url = {}, .headers = {{"Traceparent", theirs}}}));
  EXPECT_TRUE(server.request().contains(trace::toTraceparent(own)));
  EXPECT_FALSE(server.request().contains(theirs));
}

}  // namespace
}  // namespace corbel::net
