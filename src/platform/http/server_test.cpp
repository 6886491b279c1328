#include "http/server.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/limits.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/exchange.h"
#include "http/message.h"
#include "loopback.h"

namespace corbel::http {
namespace {

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";

std::string post(std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

TEST_F(ServerTest, AnswersRequestsOfOneConnectionOneAfterTheOther) {
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).body, "GET /a?b=c ");
  EXPECT_EQ(client.ask(post("hello")).body, "POST /p hello");
  const Received last = client.ask(kGet);
  EXPECT_EQ(last.header("Content-Type"), "text/plain");
  EXPECT_EQ(last.header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(last.header("Connection"), "");
  EXPECT_EQ(server().stats().accepted, 1U);
}

TEST_F(TimedServerTest, SendsTheDateOfItsClock) {
  EXPECT_EQ(connect().ask(kGet).header("Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
}

TEST_F(ServerTest, ShowsTheHeadAndTheAddressOfThePeer) {
  service.head = [](const auto& exchange) {
    const RequestHead& head = exchange->head();
    exchange->complete(text(std::string(head.path) + "|" + std::string(head.query) + "|" +
                            std::string(head.header("x-a")) + "|" +
                            std::to_string(head.count("X-B")) + "|" +
                            std::string(head.peer.address)));
  };
  Client client = connect();
  EXPECT_EQ(
      client
          .ask("GET /x/y?q=1&r=? HTTP/1.1\r\nHost: h\r\nX-A: \t one two \r\nx-b: 1\r\nX-B:\r\n\r\n")
          .body,
      "/x/y|q=1&r=?|one two|2|127.0.0.1");
}

TEST_F(ServerTest, AnswersAHundredRequestsThatCameInOnePacketInOrder) {
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += post(std::to_string(i));
  Client client = connect();
  ASSERT_TRUE(client.send(requests));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.read().body, "POST /p " + std::to_string(i));
  EXPECT_EQ(service.waitForSent(100).size(), 100U);
}

TEST_F(ServerTest, ReadsRequestsThatComeByteByByte) {
  const std::string request = post("tiny") +
                              "\r\nPOST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n" +
                              kGet;
  Client client = connect();
  for (const char& c : request) ASSERT_TRUE(client.send({&c, 1}));
  EXPECT_EQ(client.read().body, "POST /p tiny");
  EXPECT_EQ(client.read().body, "POST /c abc");
  EXPECT_EQ(client.read().body, "GET /a?b=c ");
}

TEST_F(ServerTest, AnswersInOrderWhenAnEarlierRequestIsCompletedLater) {
  Promised<std::shared_ptr<Exchange>> slow;
  service.head = [&](const auto& exchange) {
    if (exchange->head().path == "/slow") return slow.set(exchange);
    exchange->complete(text("fast"));
  };
  Client client = connect();
  ASSERT_TRUE(client.send(
      "GET /fast HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + kGet));
  EXPECT_EQ(client.read().body, "fast");
  slow.wait()->complete(text("slow"));
  EXPECT_EQ(client.read().body, "slow");
  EXPECT_EQ(client.read().body, "fast");
}

TEST_F(ServerTest, TakesReadBodyAndCompleteFromOtherThreads) {
  std::vector<std::jthread> workers;
  service.head = [&](const auto& exchange) {
    workers.emplace_back([exchange] { exchange->readBody({.maxBytes = 100, .sink = {}}); });
  };
  service.body = [&](const auto& exchange) {
    workers.emplace_back([exchange] { exchange->complete(text(std::string(exchange->body()))); });
  };
  Client client = connect();
  for (const char* body : {"one", "two", "three"}) EXPECT_EQ(client.ask(post(body)).body, body);
  stop();
}

TEST_F(ServerTest, RunsPostedWorkOnTheThreadOfTheConnection) {
  std::jthread worker;
  service.head = [&](const std::shared_ptr<Exchange>& exchange) {
    worker = std::jthread([exchange, network = std::this_thread::get_id()] {
      exchange->post([exchange, network] {
        exchange->complete(text(std::this_thread::get_id() == network ? "same" : "other"));
      });
    });
  };
  EXPECT_EQ(connect().ask(kGet).body, "same");
}

TEST_F(ServerTest, CountsOnlyTheFirstOfSeveralResponses) {
  std::shared_ptr<Exchange> first;
  service.head = [&](const auto& exchange) {
    if (first) {
      first->complete(text("too late"));
      EXPECT_NE(first, exchange);
    }
    first = exchange;
    exchange->complete(text("first"));
    exchange->complete(text("second"));
  };
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).body, "first");
  EXPECT_EQ(client.ask(kGet).body, "first");
  stop();
  first->complete(text("after the server"));
}

TEST_F(ServerTest, ReusesAnExchangeThatNobodyHolds) {
  std::vector<const void*> seen;
  service.head = [&](const std::shared_ptr<Exchange>& exchange) {
    seen.push_back(exchange.get());
    EXPECT_EQ(exchange->context(), nullptr);
    exchange->complete(text(""));
  };
  Client client = connect();
  client.ask(kGet);
  client.ask(kGet);
  stop();
  EXPECT_EQ(seen.at(0), seen.at(1));
}

TEST_F(ServerTest, SendsAndReportsALongBodyWhole) {
  std::string body(5 * limits::kMiB, '\0');
  std::iota(body.begin(), body.end(), '\0');
  service.head = [&](const auto& exchange) { exchange->complete(text(body)); };
  Client client = connect();
  EXPECT_TRUE(client.ask(kGet).body == body);
  EXPECT_TRUE(client.ask(kGet).body == body);
  EXPECT_EQ(service.waitForSent(2)[1].bodyBytes, body.size());
}

TEST_F(ServerTest, SendsAPartOfAFile) {
  std::FILE* file = std::tmpfile();
  std::string content(3 * limits::kMiB, 'x');
  content[1000] = 'a';
  content[content.size() - 1] = 'z';
  ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), file), content.size());
  std::fflush(file);
  service.head = [&](const auto& exchange) {
    Response response = text("");
    response.body = FileRange(::dup(::fileno(file)), 1000, content.size() - 1000);
    exchange->complete(std::move(response));
  };
  Client client = connect();
  EXPECT_TRUE(client.ask(kGet).body == content.substr(1000));
  EXPECT_TRUE(client.ask(kGet).body == content.substr(1000));
  std::fclose(file);
}

TEST_F(ServerTest, ClosesWhenAFileIsShorterThanPromised) {
  service.head = [&](const auto& exchange) {
    Response response = text("");
    response.body = FileRange(::open("/dev/null", O_RDONLY | O_CLOEXEC), 0, 100);
    exchange->complete(std::move(response));
  };
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).status, 0);
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
}

TEST_F(ServerTest, AnswersHeadWithTheLengthButWithoutTheBody) {
  service.head = [&](const auto& exchange) { exchange->complete(text(std::string(100'000, 'x'))); };
  Client client = connect();
  ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.read("HEAD").header("Content-Length"), "100000");
  EXPECT_EQ(client.ask(kGet).body.size(), 100'000U);
  EXPECT_EQ(service.waitForSent(2)[0].bodyBytes, 0U);
}

TEST_F(ServerTest, SendsNeitherLengthNorTypeWhenThereIsNoContent) {
  service.head = [&](const auto& exchange) { exchange->complete(text("ignored", 204)); };
  Client client = connect();
  const Received received = client.ask(kGet);
  EXPECT_EQ(received.status, 204);
  EXPECT_FALSE(received.head.contains("\nContent-"));
  EXPECT_EQ(client.ask(kGet).status, 204);
}

TEST_F(ServerTest, LetsNoHeaderValueStartAnotherHeader) {
  service.head = [&](const auto& exchange) {
    Response response = text("ok");
    response.headers.emplace_back("Location", std::string("/a\r\nSet-Cookie: b\0c", 20));
    exchange->complete(std::move(response));
  };
  const Received received = connect().ask(kGet);
  EXPECT_EQ(received.header("Set-Cookie"), "");
  EXPECT_EQ(received.header("Location"), "/a  Set-Cookie: b c");
}

TEST_F(ServerTest, ClosesWhenAskedToAndAfterHttp10) {
  for (const char* request :
       {"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    Client client = connect();
    EXPECT_EQ(client.ask(request).header("Connection"), "close");
    EXPECT_TRUE(client.closedByServer());
  }
}

TEST_F(ServerTest, AnswersAClientThatHasFinishedSending) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.head = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  client.finishSending();
  waiting.wait()->complete(text("still here"));
  EXPECT_EQ(client.read().body, "still here");
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(ServerTest, TurnsAwayWhatIsOverTheConnectionLimit) {
  options.maxConnections = 2;
  Client first = connect();
  Client second = connect();
  EXPECT_EQ(first.ask(kGet).status, 200);
  EXPECT_EQ(second.ask(kGet).status, 200);
  Client third = connect();
  EXPECT_EQ(third.ask(kGet).status, 503);
  EXPECT_TRUE(third.closedByServer());
  EXPECT_EQ(server().stats().refused, 1U);
  EXPECT_EQ(server().stats().connections, 2U);
  EXPECT_EQ(first.ask(kGet).status, 200);
}

TEST_F(ServerTest, SpreadsConnectionsEvenlyOverItsThreads) {
  options.threads = 4;
  Mutex mutex;
  std::map<std::thread::id, int> connections;
  service.head = [&](const auto& exchange) {
    MutexLock lock(mutex);
    ++connections[std::this_thread::get_id()];
    exchange->complete(text(""));
  };
  std::vector<Client> clients;
  for (int i = 0; i < 32; ++i) {
    clients.push_back(connect());
    EXPECT_EQ(clients.back().ask(kGet).status, 200);
  }
  stop();
  EXPECT_EQ(connections.size(), 4U);
  for (const auto& [thread, count] : connections) EXPECT_EQ(count, 8);
}

}  // namespace
}  // namespace corbel::http
