// The end of a server.
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "http/exchange.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using DrainTest = ServerTest;

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";

std::string post(std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

TEST_F(DrainTest, AnswersWhatRunsAndClosesWhatIsIdle) {
  Promised<std::shared_ptr<Exchange>> running;
  service.head = [&](const auto& exchange) {
    exchange->head().path == "/running" ? running.set(exchange) : exchange->complete(text("ok"));
  };
  Client idle = connect();
  EXPECT_EQ(idle.ask(kGet).status, 200);
  Client busy = connect();
  ASSERT_TRUE(busy.send("GET /running HTTP/1.1\r\nHost: x\r\n\r\n"));
  const auto exchange = running.wait();
  std::jthread drainer([&] { server().drain(Deadline::after(clock, std::chrono::seconds(20))); });
  EXPECT_TRUE(idle.closedByServer());
  exchange->complete(text("done"));
  const Received last = busy.read();
  EXPECT_EQ(last.body, "done");
  EXPECT_EQ(last.header("Connection"), "close");
  drainer.join();
  EXPECT_FALSE(connect().connected());
}

TEST_F(DrainTest, AnswersWhatHasReachedTheMachineAndWasNotYetAccepted) {
  std::latch held(1);
  Promised<bool> holding;
  service.head = [&](const auto& exchange) {
    if (exchange->head().path == "/hold") {
      holding.set(true);
      held.wait();
    }
    exchange->complete(text("ok"));
  };
  Client first = connect();
  ASSERT_TRUE(first.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
  holding.wait();
  Client waiting = connect();
  ASSERT_TRUE(waiting.send(kGet));
  std::jthread drainer([&] { server().drain(Deadline::after(clock, std::chrono::seconds(20))); });
  held.count_down();
  EXPECT_EQ(first.read().status, 200);
  EXPECT_EQ(waiting.read().status, 200);
}

TEST_F(DrainTest, ClosesWhatIsLeftAtTheDeadline) {
  Promised<std::shared_ptr<Exchange>> running;
  service.head = [&](const auto& exchange) { running.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = running.wait();
  server().drain(Deadline::after(clock, std::chrono::milliseconds(1)));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_EQ(service.sentSoFar(), 0U);  // it still belongs to the service
  exchange->complete(text("too late"));
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
  server().drain(Deadline::never());
}

TEST_F(DrainTest, UnderLoadLosesNoRequestThatWasStarted) {
  options.threads = 2;
  server();
  std::atomic<int> answered = 0;
  std::atomic<int> lost = 0;
  std::vector<std::jthread> clients;
  clients.reserve(8);
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, client = connect()]() mutable {
      while (true) {
        const Received received = client.ask(post("load"));
        if (received.status != 200) return;  // closed between two requests
        received.body == "POST /p load" ? ++answered : ++lost;
        if (received.header("Connection") == "close") return;
      }
    });
  }
  service.waitForSent(500);
  server().drain(Deadline::after(clock, std::chrono::seconds(20)));
  clients.clear();
  EXPECT_EQ(lost, 0);
  EXPECT_GE(answered, 500 - 8);
  for (const Sent& sent : service.waitForSent(1)) EXPECT_FALSE(sent.aborted);
}

}  // namespace
}  // namespace corbel::http
