// Responses that are made while they are sent, and server-sent events.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/limits.h"
#include "base/mutex.h"
#include "http/event_stream.h"
#include "loopback.h"

namespace corbel::http {
namespace {

using std::chrono::seconds;
using StreamTest = ServerTest;
using StreamTimeoutTest = TimedServerTest;

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// Gives `length` bytes, and counts what was asked of it.
class Letters final : public BodySource {
 public:
  explicit Letters(std::size_t length, Pull atTheEnd = Pull::end)
      : left_(length), atTheEnd_(atTheEnd) {}
  Pull pull(std::string& out, std::size_t atMost) override {
    const auto length = std::min(atMost, left_);
    out.append(length, 'x');
    left_ -= length;
    given += length;
    return left_ > 0 ? Pull::more : atTheEnd_;
  }
  void onReady(std::function<void()>) override {}
  void gone() override { wasGone.set(true); }
  std::atomic<std::size_t> given = 0;
  Promised<bool> wasGone;

 private:
  std::size_t left_;
  const Pull atTheEnd_;
};

Response streaming(std::shared_ptr<BodySource> source) {
  Response response;
  response.contentType = "text/plain";
  response.body = std::move(source);
  return response;
}

TEST_F(StreamTest, TellsTheSourceOfAnAnswerThatComesAfterItsClientHasGone) {
  Promised<std::shared_ptr<Exchange>> waiting;
  service.body = [&](const auto& exchange) { waiting.set(exchange); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  const auto exchange = waiting.wait();
  Promised<bool> gone;
  exchange->onGone([&] { gone.set(true); });
  client.reset();
  gone.wait();
  const auto late = std::make_shared<Letters>(10);
  exchange->complete(streaming(late));
  EXPECT_TRUE(late->wasGone.wait());
  EXPECT_EQ(late->given, 0U);
}

TEST_F(StreamTest, TellsTheSourceOfASecondAnswer) {
  const auto second = std::make_shared<Letters>(10);
  service.body = [&](const auto& exchange) {
    exchange->complete(streaming(std::make_shared<Letters>(10)));
    exchange->complete(streaming(second));
  };
  EXPECT_EQ(connect().ask(kGet).status, 200);
  EXPECT_TRUE(second->wasGone.wait());
}

TEST_F(StreamTest, SendsChunksAndGoesOnWithTheNextRequest) {
  service.body = [](const auto& exchange) {
    exchange->complete(streaming(std::make_shared<Letters>(100'000)));
  };
  Client client = connect();
  for (int i = 0; i < 2; ++i) {
    const Received received = client.ask(kGet);
    EXPECT_EQ(received.status, 200);
    EXPECT_EQ(received.header("Transfer-Encoding"), "chunked");
    EXPECT_EQ(received.header("Content-Length"), "");
    EXPECT_EQ(client.readChunks(), std::string(100'000, 'x'));
  }
  EXPECT_EQ(service.waitForSent(2)[1].bodyBytes, 100'000U);
}

TEST_F(StreamTest, SendsAnEmptyBody) {
  service.body = [](const auto& exchange) {
    exchange->complete(streaming(std::make_shared<Letters>(0)));
  };
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).status, 200);
  EXPECT_EQ(client.readChunks(), "");
  EXPECT_EQ(client.ask(kGet).status, 200);
}

TEST_F(StreamTest, EndsABodyOfHttp10ByClosing) {
  service.body = [](const auto& exchange) {
    exchange->complete(streaming(std::make_shared<Letters>(50'000)));
  };
  Client client = connect();
  const Received received = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(received.header("Transfer-Encoding"), "");
  EXPECT_EQ(received.header("Connection"), "close");
  EXPECT_TRUE(client.skip(50'000));
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(StreamTest, MakesNothingForHead) {
  const auto letters = std::make_shared<Letters>(100);
  service.body = [&](const auto& exchange) {
    exchange->complete(exchange->head().method == Method::head ? streaming(letters) : text("ok"));
  };
  Client client = connect();
  ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.read("HEAD").status, 200);
  EXPECT_EQ(client.ask(kGet).body, "ok");
  EXPECT_TRUE(letters->wasGone.wait());
  EXPECT_EQ(letters->given, 0U);
}

TEST_F(StreamTest, MakesNoMoreThanTheClientReads) {
  const auto letters = std::make_shared<Letters>(1 * limits::kGiB);
  service.body = [&](const auto& exchange) { exchange->complete(streaming(letters)); };
  Client client(server().port(), 16 * 1024);
  ASSERT_TRUE(client.send(kGet));
  EXPECT_EQ(client.read().status, 200);
  Client other = connect();
  ASSERT_TRUE(other.send("malformed\r\n\r\n"));
  EXPECT_EQ(other.read().status, 400);  // others have their turn
  EXPECT_LT(letters->given, 32 * limits::kMiB);
  client.reset();
  EXPECT_TRUE(letters->wasGone.wait());
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
}

TEST_F(StreamTest, CutsABodyThatFails) {
  service.body = [](const auto& exchange) {
    exchange->complete(streaming(std::make_shared<Letters>(10, BodySource::Pull::failed)));
  };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  client.read();
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(StreamTest, TellsTheSourceThatTheClientHasClosed) {
  const auto letters = std::make_shared<Letters>(1, BodySource::Pull::later);
  service.body = [&](const auto& exchange) { exchange->complete(streaming(letters)); };
  Client client = connect();
  ASSERT_TRUE(client.send(kGet));
  client.read();
  client.finishSending();
  EXPECT_TRUE(letters->wasGone.wait());
}

TEST(ServerSentEvents, AreWrittenLineByLine) {
  const auto written = [](const Event& event) {
    std::string out;
    appendEvent(out, event);
    return out;
  };
  EXPECT_EQ(written({.data = "hi"}), "data: hi\n\n");
  EXPECT_EQ(written({.data = ""}), "data: \n\n");
  EXPECT_EQ(written({.data = "a\nb\r\nc\rd\n"}), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
  EXPECT_EQ(written({.data = "x", .name = "delta", .id = "7", .retry = seconds(2)}),
            "retry: 2000\nid: 7\nevent: delta\ndata: x\n\n");
  EXPECT_EQ(written({.data = "x", .name = "a\nevil: 1", .id = std::string_view("7\0", 2)}),
            "event: a\ndata: x\n\n");
}

TEST_F(StreamTest, SendsEventsAsTheyComeAndEnds) {
  const auto stream = std::make_shared<EventStream>();
  service.body = [&](const auto& exchange) {
    EXPECT_EQ(lastEventId(exchange->head()), "41");
    exchange->complete(eventStream(stream));
  };
  Client client = connect();
  const Received received = client.ask("GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n");
  EXPECT_EQ(received.header("Content-Type"), "text/event-stream");
  EXPECT_EQ(received.header("Cache-Control"), "no-store");
  for (const char* word : {"one", "two"}) {
    EXPECT_TRUE(stream->push({.data = word}));
    EXPECT_EQ(client.readChunk(), "data: " + std::string(word) + "\n\n");
  }
  stream->push({.data = "last"});
  stream->end();
  EXPECT_FALSE(stream->push({.data = "too late"}));
  EXPECT_EQ(client.readChunks(), "data: last\n\n");
}

TEST_F(StreamTest, LosesNoEventOfAFastProducer) {
  const auto stream = std::make_shared<EventStream>();
  service.body = [&](const auto& exchange) { exchange->complete(eventStream(stream)); };
  Client client = connect();
  client.ask(kGet);
  std::jthread producer([&] {
    for (int i = 0; i < 5000; ++i) stream->push({.data = std::to_string(i)});
    stream->end();
  });
  std::string expected;
  for (int i = 0; i < 5000; ++i) expected += "data: " + std::to_string(i) + "\n\n";
  EXPECT_EQ(client.readChunks(), expected);
}

TEST_F(StreamTest, StopsTheProducerWhenNobodyReads) {
  const auto stream = std::make_shared<EventStream>();
  service.body = [&](const auto& exchange) { exchange->complete(eventStream(stream)); };
  Client client = connect();
  client.ask(kGet);
  Promised<bool> stopped;
  stream->onGone([&] { stopped.set(true); });
  client.reset();
  EXPECT_TRUE(stopped.wait());
  EXPECT_FALSE(stream->push({.data = "nobody"}));
  bool atOnce = false;
  stream->onGone([&] { atOnce = true; });
  EXPECT_TRUE(atOnce);
}

TEST_F(StreamTest, CutsOffAClientThatIsTooSlowForWhatItIsTold) {
  const auto stream = std::make_shared<EventStream>();
  service.body = [&](const auto& exchange) { exchange->complete(eventStream(stream)); };
  Client client(server().port(), 16 * 1024);
  client.ask(kGet);
  const std::string data(10'000, 'x');
  std::size_t pushed = 0;
  while (stream->push({.data = data})) pushed += data.size();
  EXPECT_LT(pushed, 64 * limits::kMiB);
}

TEST_F(StreamTimeoutTest, BeatsWhenNothingElseIsSent) {
  const auto stream = std::make_shared<EventStream>();
  service.body = [&](const auto& exchange) { exchange->complete(eventStream(stream)); };
  Client client = connect();
  client.ask(kGet);
  for (int i = 0; i < 8; ++i) {  // for longer than any deadline of a request
    clock.advance(seconds(15));
    EXPECT_EQ(client.readChunk(), ":\n\n");
  }
}

}  // namespace
}  // namespace corbel::http
