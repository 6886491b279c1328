// Bodies: in place, in memory, in chunks for a sink, wanted and not.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "http/exchange.h"
#include "http/message.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using BodyTest = ServerTest;

std::string post(std::string_view body, std::string_view headers = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string chunked(std::string_view body, std::size_t chunkSize) {
  std::string request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  while (!body.empty()) {
    const auto chunk = body.substr(0, chunkSize);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
    request += size + std::string(chunk) + "\r\n";
    body.remove_prefix(chunk.size());
  }
  return request + "0\r\n\r\n";
}

std::string bytes(std::size_t count) {
  std::string text(count, '\0');
  unsigned state = 1;
  for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(BodyTest, ReadsBodiesOfEverySizeInBothFramings) {
  service.body = [](const auto& exchange) {
    const std::string_view body = exchange->body();
    volatile char behind = 0;
    for (std::size_t i = 0; i < 64; ++i) behind = body.data()[body.size() + i];
    static_cast<void>(behind);
    exchange->complete(text(std::string(body)));
  };
  Client client = connect();
  for (const std::size_t size : {0, 1, 1000, 32'600, 32'768, 33'000, 70'000, 300'000, 1'048'576}) {
    const std::string body = bytes(size);
    EXPECT_TRUE(client.ask(post(body)).body == body) << size;
    EXPECT_TRUE(client.ask(chunked(body, 10'000)).body == body) << size;
  }
  const std::string body = bytes(20'000);
  EXPECT_TRUE(client.ask(chunked(body, 1)).body == body);
}

TEST_F(BodyTest, ReadsPipelinedRequestsBehindLongBodies) {
  const std::string body = bytes(100'000);
  Client client = connect();
  std::jthread sender([&] { client.send(post(body) + kGet + chunked(body, 50'000) + kGet); });
  EXPECT_TRUE(client.read().body == "POST / " + body);
  EXPECT_EQ(client.read().body, "GET / ");
  EXPECT_TRUE(client.read().body == "POST / " + body);
  EXPECT_EQ(client.read().body, "GET / ");
}

TEST_F(BodyTest, RefusesABodyLongerThanPlanned) {
  service.head = [](const auto& exchange) { exchange->readBody({.maxBytes = 10, .sink = {}}); };
  Client exact = connect();
  EXPECT_EQ(exact.ask(post("0123456789")).status, 200);
  EXPECT_EQ(exact.ask(chunked("0123456789", 3)).status, 200);
  for (const std::string& request :
       {post("01234567890"), chunked("01234567890", 3), post(bytes(3'000'000))}) {
    Client client = connect();
    std::jthread sender([&] { client.send(request); });
    const Received received = client.read();
    EXPECT_EQ(received.status, 413);
    EXPECT_EQ(received.header("Connection"), "close");
    EXPECT_EQ(received.body, "the request body must not be longer than 10 bytes");
    client.finishSending();
  }
}

TEST_F(BodyTest, DoesNotTrustALengthWithMemory) {
  Promised<bool> reading;
  service.head = [&](const auto& exchange) {
    exchange->readBody({.maxBytes = SIZE_MAX, .sink = {}});
    reading.set(true);
  };
  Client client = connect();
  ASSERT_TRUE(
      client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\nabc"));
  reading.wait();
  client.reset();
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
}

TEST_F(BodyTest, KeepsBodiesOfAllRequestsTogetherWithinTheirMemory) {
  options.bodyMemory = 1 * limits::kMiB;
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 700000\r\n\r\n";
  Client first = connect();
  ASSERT_TRUE(first.send(head + std::string(350'000, 'a')));
  while (server().stats().bodyMemory == 0) std::this_thread::yield();
  Client second = connect();
  const Received refused = second.ask(head + std::string(40'000, 'b'));
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(second.closedByServer());
  ASSERT_TRUE(first.send(std::string(350'000, 'a')));
  EXPECT_EQ(first.read().status, 200);
  EXPECT_EQ(server().stats().bodyMemory, 0U);
  EXPECT_EQ(connect().ask(head + std::string(700'000, 'c')).status, 200);
}

TEST_F(BodyTest, CountsTheMemoryOfABodyUntilTheServiceHasLetGoOfIt) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.body = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(post(std::string(100'000, 'x'))));
  auto exchange = waiting.wait();
  Promised<bool> gone;
  exchange->onGone([&] { gone.set(true); });
  client.reset();
  gone.wait();
  EXPECT_GE(server().stats().bodyMemory, 100'000U);
  exchange->complete(text("nobody listens"));
  service.waitForSent(1);
  exchange.reset();
  while (server().stats().bodyMemory != 0) std::this_thread::yield();
}

TEST_F(BodyTest, InvitesABodyOnlyWhenTheServiceWantsIt) {
  Client client = connect();
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
  EXPECT_EQ(client.read().status, 100);
  EXPECT_EQ(client.ask("abc").body, "POST / abc");
  EXPECT_EQ(client.ask(post("abc", "Expect: 100-continue\r\n")).body, "POST / abc");
}

TEST_F(BodyTest, ClosesWhenItDidNotInviteTheBody) {
  service.head = [](const auto& exchange) { exchange->complete(text("no", 401)); };
  Client client = connect();
  const Received refused =
      client.ask("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("Connection"), "close");
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(BodyTest, SkipsASmallBodyThatNobodyWants) {
  service.head = [](const auto& exchange) { exchange->complete(text("no", 401)); };
  Client client = connect();
  for (const std::size_t size : {0, 100, 30'000, 64'000}) {
    const Received received = client.ask(post(bytes(size)));
    EXPECT_EQ(received.status, 401);
    EXPECT_EQ(received.header("Connection"), "") << size;
  }
  EXPECT_EQ(client.ask(chunked("abc", 1)).status, 401);
  EXPECT_EQ(client.ask(kGet).status, 401);
}

TEST_F(BodyTest, ClosesInsteadOfReadingALargeBodyThatNobodyWants) {
  service.head = [](const auto& exchange) { exchange->complete(text("no", 401)); };
  Client client = connect();
  std::jthread sender([&] { client.send(post(bytes(400'000))); });
  const Received received = client.read();
  EXPECT_EQ(received.status, 401);
  EXPECT_EQ(received.header("Connection"), "close");
  client.finishSending();
}

TEST_F(BodyTest, AbortsWhenTheClientEndsInTheMiddleOfABody) {
  for (const std::string& request : {post("abcdef"), chunked("abcdef", 2)}) {
    Client client = connect();
    ASSERT_TRUE(client.send(request.substr(0, request.size() - 3)));
    client.finishSending();
    EXPECT_TRUE(client.closedByServer());
  }
  for (const Sent& sent : service.waitForSent(2)) EXPECT_TRUE(sent.aborted);
}

// Takes chunks when the test says so.
class SlowSink final : public BodySink {
 public:
  void append(std::span<const std::byte> chunk,
              std::move_only_function<void(Result<void>)> done) override {
    EXPECT_FALSE(busy_.exchange(true));
    longest_ = std::max(longest_, chunk.size());
    content_.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    done_.set(std::move(done));
    arrived_.set(true);
  }
  void waitForAChunk() { arrived_.wait(); }
  // Gives the bytes taken up to now.
  std::size_t takeOne(Result<void> result = {}) {
    auto done = done_.wait();
    const std::size_t taken = content_.size();
    busy_ = false;
    done(std::move(result));
    return taken;
  }
  const std::string& content() const { return content_; }
  std::size_t longest() const { return longest_; }

 private:
  std::atomic<bool> busy_ = false;
  std::string content_;
  std::size_t longest_ = 0;
  Promised<std::move_only_function<void(Result<void>)>> done_;
  Promised<bool> arrived_;
};

TEST_F(BodyTest, GivesASinkTheNextChunkOnlyAfterItTookTheLast) {
  const std::string body = bytes(3'000'000);
  for (const bool asChunks : {false, true}) {
    auto sink = std::make_shared<SlowSink>();
    service.head = [&](const auto& exchange) {
      exchange->readBody({.maxBytes = body.size(), .sink = sink});
    };
    std::atomic<bool> delivered = false;
    service.body = [&](const auto& exchange) {
      delivered = true;
      exchange->complete(text("stored"));
    };
    Client client = connect();
    std::jthread sender(
        [&] { client.send((asChunks ? chunked(body, 7'777) : post(body)) + kGet); });
    std::jthread taker([&] {
      while (sink->takeOne() < body.size()) {
      }
    });
    EXPECT_EQ(client.read().body, "stored");
    EXPECT_TRUE(sink->content() == body);
    EXPECT_LE(sink->longest(), 256 * limits::kKiB);
    stop();
  }
}

TEST_F(BodyTest, EndsAnUploadWithTheErrorOfItsSink) {
  auto sink = std::make_shared<SlowSink>();
  service.head = [&](const auto& exchange) {
    exchange->readBody({.maxBytes = 1'000'000, .sink = sink});
  };
  Client client = connect();
  ASSERT_TRUE(client.send(post(bytes(100'000))));
  sink->takeOne(fail(ErrorCode::insufficientStorage, "the disk is full"));
  const Received received = client.read();
  EXPECT_EQ(received.status, 507);
  EXPECT_EQ(received.body, "the disk is full");
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(BodyTest, EndsAnUploadWhoseSinkForgetsIt) {
  class ForgetfulSink final : public BodySink {
   public:
    void append(std::span<const std::byte>, std::move_only_function<void(Result<void>)>) override {}
  };
  service.head = [&](const auto& exchange) {
    exchange->readBody({.maxBytes = 1'000'000, .sink = std::make_shared<ForgetfulSink>()});
  };
  Client client = connect();
  ASSERT_TRUE(client.send(post(bytes(100'000))));
  EXPECT_EQ(client.read().status, 500);
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(BodyTest, KeepsTheChunkOfASinkWhenTheClientGoesAway) {
  auto sink = std::make_shared<SlowSink>();
  service.head = [&](const auto& exchange) {
    exchange->readBody({.maxBytes = 1'000'000, .sink = sink});
  };
  Client client = connect();
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
  auto watched = std::weak_ptr(sink);
  sink->waitForAChunk();
  client.reset();
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
  sink->takeOne();
  service.head = nullptr;
  sink.reset();
  stop();
  EXPECT_TRUE(watched.expired());
}

TEST_F(BodyTest, MayAnswerWhileASinkIsBusy) {
  auto sink = std::make_shared<SlowSink>();
  Promised<std::shared_ptr<Exchange>> uploading;
  service.head = [&](const auto& exchange) {
    uploading.set(exchange);
    exchange->readBody({.maxBytes = 1'000'000, .sink = sink});
  };
  Client client = connect();
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
  uploading.wait()->complete(text("enough", 503));
  const Received received = client.read();
  EXPECT_EQ(received.status, 503);
  EXPECT_EQ(received.header("Connection"), "close");
  client.close();
  sink->takeOne();
}

}  // namespace
}  // namespace corbel::http
