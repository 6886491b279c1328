// What is too slow is cut. The clock stands still but for advance(); the server looks every 100 ms
// of real time.
#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <string>

#include "base/limits.h"
#include "http/exchange.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using TimeoutTest = TimedServerTest;
using std::chrono::seconds;

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(TimeoutTest, CutsAHeadThatIsNotCompleteInTimeHoweverOftenBytesCome) {
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).status, 200);
  for (const char* part : {"GET / HT", "TP/1.1\r\n", "Host: x\r\n"}) {
    ASSERT_TRUE(client.send(part));
    Client other = connect();
    EXPECT_EQ(other.ask(kGet).status, 200);  // by now the part has been read
    clock.advance(seconds(4));
  }
  const Received received = client.read();
  EXPECT_EQ(received.status, 408);
  EXPECT_EQ(received.header("Connection"), "close");
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(TimeoutTest, ClosesAConnectionThatNeverSendsARequest) {
  Client client = connect();
  Client active = connect();
  EXPECT_EQ(active.ask(kGet).status, 200);
  clock.advance(seconds(10));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_EQ(active.ask(kGet).status, 200);
}

TEST_F(TimeoutTest, ClosesAConnectionThatIsIdleTooLong) {
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).status, 200);
  clock.advance(seconds(74));
  EXPECT_EQ(client.ask(kGet).status, 200);
  clock.advance(seconds(75));
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(TimeoutTest, CutsABodyThatComesTooSlowly) {
  for (const bool wanted : {true, false}) {
    service.head = [&](const auto& exchange) {
      wanted ? exchange->readBody({.maxBytes = 100'000, .sink = {}})
             : exchange->complete(text("no", 401));
    };
    Client client = connect();
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nabc"));
    if (!wanted) EXPECT_EQ(client.read().status, 401);
    Client other = connect();
    ASSERT_TRUE(other.send(kGet));
    EXPECT_EQ(other.read().status, wanted ? 200 : 401);
    clock.advance(seconds(10));
    if (wanted) EXPECT_EQ(client.read().status, 408);
    EXPECT_TRUE(client.closedByServer());
  }
}

TEST_F(TimeoutTest, LetsABodyAtTheMinimumRatePass) {
  service.head = [](const auto& exchange) {
    exchange->readBody({.maxBytes = 100'000, .sink = {}});
  };
  Client client = connect();
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 61440\r\n\r\n"));
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(client.send(std::string(10'240, 'x')));
    EXPECT_EQ(connect().ask(kGet).status, 200);
    clock.advance(seconds(5));
  }
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(TimeoutTest, DoesNotHurryTheService) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.head = [&](const auto& exchange) {
    exchange->head().path == "/slow" ? waiting.set(exchange) : exchange->complete(text("ok"));
  };
  Client client = connect();
  ASSERT_TRUE(client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
  const auto exchange = waiting.wait();
  Client idle = connect();
  EXPECT_EQ(idle.ask(kGet).status, 200);
  clock.advance(seconds(1000));
  EXPECT_TRUE(idle.closedByServer());  // so the server has looked
  exchange->complete(text("at last"));
  EXPECT_EQ(client.read().body, "at last");
}

TEST_F(TimeoutTest, DropsAReaderThatNeverReads) {
  service.head = [](const auto& exchange) {
    const bool isLong = exchange->head().path == "/long";
    exchange->complete(text(std::string(isLong ? 40 * limits::kMiB : 1, 'x')));
  };
  Client client = connect();
  ASSERT_TRUE(client.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n"));
  // Twice, because the kernels may still have room for a little after the first look.
  for (int i = 0; i < 2; ++i) {
    Client idle = connect();
    EXPECT_EQ(connect().ask(kGet).status, 200);
    clock.advance(seconds(10));
    EXPECT_TRUE(idle.closedByServer());  // so the server has looked
  }
  const auto ended = service.waitForSent(3);
  const auto dropped = std::ranges::find(ended, true, &Sent::aborted);
  ASSERT_NE(dropped, ended.end());
  EXPECT_LT(dropped->bodyBytes, 40 * limits::kMiB);
}

TEST_F(TimeoutTest, LetsAReaderAtTheMinimumRateRead) {
  constexpr std::size_t kLength = 8 * limits::kMiB;
  service.head = [](const auto& exchange) {
    exchange->complete(text(std::string(exchange->head().path == "/long" ? kLength : 1, 'x')));
  };
  Client client(server().port(), 16 * 1024);
  ASSERT_TRUE(client.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (int i = 0; i < 8; ++i) {
    Client idle = connect();
    EXPECT_EQ(connect().ask(kGet).status, 200);
    EXPECT_TRUE(client.skip(40 * limits::kKiB));
    clock.advance(seconds(10));
    EXPECT_TRUE(idle.closedByServer());  // so the server has looked
  }
  EXPECT_TRUE(client.skip(kLength - 320 * limits::kKiB));
}

TEST_F(TimeoutTest, ClosesAConnectionWhoseRefusalCannotBeMade) {
  service.unreadable = [] { throw std::bad_alloc(); };
  Client client = connect();
  ASSERT_TRUE(client.send("GET / HT"));
  EXPECT_EQ(connect().ask(kGet).status, 200);
  clock.advance(seconds(10));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_EQ(connect().ask(kGet).status, 200);
}

}  // namespace
}  // namespace corbel::http
