// Clients that go away, and services that fail.
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/exchange.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using GoneTest = ServerTest;

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";

std::string post(std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

TEST_F(GoneTest, ReportsAClientThatIsGoneAndKeepsWhatTheExchangeShows) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.body = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(post("precious")));
  const auto exchange = waiting.wait();
  Promised<bool> gone;
  exchange->onGone([&] { gone.set(true); });
  client.reset();
  gone.wait();
  EXPECT_EQ(service.sentSoFar(), 0U);  // it still belongs to the service
  EXPECT_EQ(exchange->body(), "precious");
  EXPECT_EQ(exchange->head().path, "/p");
  exchange->complete(text("nobody listens", 201));
  const Sent sent = service.waitForSent(1)[0];
  EXPECT_TRUE(sent.aborted);
  EXPECT_EQ(sent.status, 201);
  EXPECT_EQ(sent.bodyBytes, 0U);
  EXPECT_EQ(sent.requestBytes, 8U);
}

TEST_F(GoneTest, ReportsAClientThatIsGoneBeforeItsBodyWasPlanned) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.head = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = waiting.wait();
  Promised<bool> gone;
  exchange->onGone([&] { gone.set(true); });
  client.reset();
  gone.wait();
  exchange->readBody({.maxBytes = 10, .sink = {}});
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
}

TEST_F(GoneTest, TellsWhoAsksLateThatTheClientIsGoneAndNobodyAfterTheAnswer) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.body = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = waiting.wait();
  Promised<bool> gone;
  exchange->onGone([&] { gone.set(true); });
  client.reset();
  gone.wait();
  int told = 0;
  exchange->onGone([&] { ++told; });
  EXPECT_EQ(told, 1);
  exchange->complete(text("nobody listens"));
  exchange->onGone([&] { ++told; });
  EXPECT_EQ(told, 1);
}

TEST_F(GoneTest, DropsWhatWasToStopWithTheAnswer) {
  auto held = std::make_shared<int>(1);
  service.body = [&](const auto& exchange) {
    exchange->onGone([held, exchange] {});
    exchange->complete(text("ok"));
  };
  EXPECT_EQ(connect().ask(kGet).status, 200);
  service.waitForSent(1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(GoneTest, AnswersWithAnErrorAndClosesWhenTheServiceThrows) {
  service.head = [](const auto&) { throw std::runtime_error("a bug"); };
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).status, 500);
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(GoneTest, LosesOneConnectionWhenTheServiceThrowsWhereNobodyCatches) {
  service.unreadable = [] { throw std::bad_alloc(); };
  service.head = [](const auto& exchange) {
    exchange->post([] { throw std::bad_alloc(); });
    exchange->complete(text("ok"));
  };
  options.threads = 2;
  options.maxConnections = 2;
  Client first = connect();
  EXPECT_EQ(first.ask(kGet).status, 200);
  Client second = connect();
  EXPECT_EQ(second.ask(kGet).status, 200);
  EXPECT_TRUE(connect().closedByServer());  // turned away, on a thread of its own
  EXPECT_EQ(first.ask(kGet).status, 200);
  EXPECT_TRUE(second.send("malformed\r\n\r\n") && second.closedByServer());
  EXPECT_EQ(first.ask(kGet).status, 200);
}

class FailingClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  Timestamp now() const override {
    if (fails) throw std::bad_alloc();
    return Timestamp(std::chrono::milliseconds(1));
  }
  std::atomic<bool> fails = false;
};

using FailingClockTest = ServerTestWith<FailingClock>;

TEST_F(FailingClockTest, ClosesWhenAnAnswerCannotBeWritten) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.body = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = waiting.wait();
  clock.fails = true;
  exchange->complete(text("never seen"));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
}

}  // namespace
}  // namespace corbel::http
