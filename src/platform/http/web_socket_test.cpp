// WebSockets: frames as RFC 6455 allows and forbids them, the handshake, and a whole connection.
#include "http/web_socket.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loopback.h"
#include "web_socket_frames.h"

namespace corbel::http {
namespace {

using std::chrono::seconds;

// A frame as a client sends it.
std::string masked(unsigned first, std::string_view payload, unsigned lengthBytes = 0) {
  static constexpr char kMask[] = {'\x12', '\x34', '\x56', '\x78'};
  std::string frame(1, static_cast<char>(first));
  if (lengthBytes == 0) lengthBytes = payload.size() < 126 ? 1 : payload.size() < 65536 ? 2 : 8;
  const char code = lengthBytes == 1   ? static_cast<char>(payload.size())
                    : lengthBytes == 2 ? '\x7e'
                                       : '\x7f';
  frame += static_cast<char>(code | '\x80');
  for (unsigned i = lengthBytes; lengthBytes > 1 && i-- > 0;) {
    frame += static_cast<char>(payload.size() >> (8 * i) & 0xff);
  }
  frame.append(kMask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ kMask[i % 4]);
  }
  return frame;
}

// What a reader makes of `bytes`: the messages, then the code of the error if there is one.
std::string read(std::string_view bytes, std::size_t step, std::size_t maxMessage = 1000) {
  FrameReader reader(maxMessage, std::make_shared<ByteBudget>(1 << 20));
  std::string said;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, step);
    bytes.remove_prefix(part.size());
    while (true) {
      const auto incoming = reader.next(part);
      if (!incoming) return said + "!" + std::to_string(static_cast<int>(incoming.error()));
      if (!*incoming) break;
      said += std::to_string(static_cast<int>((*incoming)->opcode)) + ":" +
              std::string((*incoming)->payload);
      if ((*incoming)->opcode == Opcode::close) {
        said += "(" + std::to_string(static_cast<int>((*incoming)->code)) + ")";
      }
      said += ";";
    }
  }
  return said;
}

struct FrameCase {
  const char* name;
  std::string bytes;
  std::string expected;
};

std::string closeBody(unsigned code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)} +
         std::string(reason);
}

std::vector<FrameCase> frameCases() {
  const std::string x125(125, 'x');
  const std::string x126(126, 'x');
  const std::string x999(999, 'x');
  std::vector<FrameCase> cases = {
      {"text", masked(0x81, "hello"), "1:hello;"},
      {"empty text", masked(0x81, ""), "1:;"},
      {"binary of any bytes", masked(0x82, "\xff\xfe"), "2:\xff\xfe;"},
      {"125 bytes", masked(0x81, x125), "1:" + x125 + ";"},
      {"126 bytes", masked(0x81, x126), "1:" + x126 + ";"},
      {"the longest", masked(0x81, x999 + "x"), "1:" + x999 + "x;"},
      {"too long", masked(0x81, x999 + "xx"), "!1009"},
      {"too long in fragments", masked(0x01, x999) + masked(0x80, "xx"), "!1009"},
      {"fragments", masked(0x01, "a") + masked(0x00, "") + masked(0x80, "c"), "1:ac;"},
      {"ping between fragments", masked(0x01, "a") + masked(0x89, "p") + masked(0x80, "b"),
       "9:p;1:ab;"},
      {"two messages", masked(0x81, "a") + masked(0x82, "b"), "1:a;2:b;"},
      {"ping and pong", masked(0x89, "p") + masked(0x8a, ""), "9:p;10:;"},
      {"a character over two fragments", masked(0x01, "\xc3") + masked(0x80, "\xa4"),
       "1:\xc3\xa4;"},
      {"text that is not UTF-8", masked(0x81, "\xc3("), "!1007"},
      {"a surrogate", masked(0x81, "\xed\xa0\x80"), "!1007"},
      {"an overlong form", masked(0x81, "\xc0\xaf"), "!1007"},
      {"text cut in a character", masked(0x81, "\xe2\x82"), "!1007"},
      {"continuation of nothing", masked(0x80, "x"), "!1002"},
      {"a message within another", masked(0x01, "a") + masked(0x81, "b"), "!1002"},
      {"a fragmented ping", masked(0x09, "p"), "!1002"},
      {"a ping of 126 bytes", masked(0x89, x126), "!1002"},
      {"reserved bit 1", masked(0xc1, "x"), "!1002"},
      {"reserved bit 3", masked(0x91, "x"), "!1002"},
      {"not masked", std::string("\x81\x01x\0\0\0\0\0", 8), "!1002"},
      {"a length with 2 bytes where 1 is enough", masked(0x81, "x", 2), "!1002"},
      {"a length with 8 bytes where 2 are enough", masked(0x81, x126, 8), "!1002"},
      {"a length of 64 bits", std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14),
       "!1002"},
      {"an enormous length", std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14),
       "!1009"},
      {"close", masked(0x88, closeBody(1000, "bye")), "8:bye(1000);"},
      {"close without code", masked(0x88, ""), "8:(1005);"},
      {"close with half a code", masked(0x88, "\x03"), "!1002"},
      {"close with a reason that is not UTF-8", masked(0x88, closeBody(1000, "\xff")), "!1007"},
  };
  for (const unsigned opcode : {3U, 7U, 11U, 15U}) {
    cases.push_back({"an unknown kind", masked(0x80 | opcode, "x"), "!1002"});
  }
  for (const unsigned code : {0U, 999U, 1004U, 1005U, 1006U, 1015U, 2000U, 2999U, 5000U, 65535U}) {
    cases.push_back({"a code that nobody may send", masked(0x88, closeBody(code)), "!1002"});
  }
  for (const unsigned code : {1001U, 1003U, 1007U, 1014U, 3000U, 4999U}) {
    cases.push_back({"a code", masked(0x88, closeBody(code)), "8:(" + std::to_string(code) + ");"});
  }
  return cases;
}

TEST(WebSocketFrames, AreReadAsTheyAreAllowed) {
  for (const auto& [name, bytes, expected] : frameCases()) {
    EXPECT_EQ(read(bytes, bytes.size()), expected) << name;
    EXPECT_EQ(read(bytes, 1), expected) << name << ", byte by byte";
    EXPECT_EQ(read(bytes, 3), expected) << name << ", in threes";
  }
}

TEST(WebSocketFrames, TakeMemoryOnlyForWhatHasCome) {
  const auto memory = std::make_shared<ByteBudget>(1 << 30);
  FrameReader reader(1 << 30, memory);
  const std::string head("\x82\xff\0\0\0\0\x3f\xff\xff\xff\0\0\0\0", 14);
  const std::string some = head + std::string(100'000, 'x');
  std::string_view bytes = some;
  ASSERT_TRUE(reader.next(bytes));
  EXPECT_LT(memory->taken(), 300'000U);
}

TEST(WebSocketFrames, ShareTheMemoryOfAllBodies) {
  const auto memory = std::make_shared<ByteBudget>(50'000);
  FrameReader reader(100'000, memory);
  const std::string frame = masked(0x82, std::string(60'000, 'x'));
  std::string_view bytes = frame;
  const auto incoming = reader.next(bytes);
  ASSERT_FALSE(incoming);
  EXPECT_EQ(incoming.error(), CloseCode::tryAgainLater);
}

TEST(WebSocketFrames, AreWrittenInTheShortestForm) {
  const auto headOf = [](std::size_t length) {
    std::string out;
    appendFrame(out, Opcode::binary, std::string(length, 'x'));
    return out.substr(0, out.size() - length);
  };
  EXPECT_EQ(headOf(125), "\x82\x7d");
  EXPECT_EQ(headOf(126), std::string("\x82\x7e\x00\x7e", 4));
  EXPECT_EQ(headOf(65'535), "\x82\x7e\xff\xff");
  EXPECT_EQ(headOf(65'536), std::string("\x82\x7f\0\0\0\0\0\x01\0\0", 10));
}

TEST(WebSocketFrames, CutAReasonBetweenCharacters) {
  std::string out;
  appendCloseFrame(out, CloseCode::normal, std::string(122, 'x') + "\xc3\xa4");
  EXPECT_EQ(out.substr(0, 4), "\x88\x7c\x03\xe8");
  EXPECT_EQ(out.size(), 2U + 2U + 122U);
}

// Answers as told, and tells how it ended.
class Echo final : public WebSocketHandler {
 public:
  void onOpen(std::shared_ptr<WebSocket> socket) override {
    socket_ = std::move(socket);
    opened.set(socket_);
  }
  void onText(std::string_view text) override {
    if (text == "throw") throw std::runtime_error("a bug");
    if (text == "bye") return socket_->close(static_cast<CloseCode>(4001), "as you say");
    socket_->sendText("you said " + std::string(text));
  }
  void onBinary(std::string_view bytes) override { socket_->sendBinary(bytes); }
  void onClose(CloseCode code, std::string_view reason) override {
    ended.set(std::to_string(static_cast<int>(code)) + " " + std::string(reason));
  }
  Promised<std::shared_ptr<WebSocket>> opened;
  Promised<std::string> ended;

 private:
  std::shared_ptr<WebSocket> socket_;
};

const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

template <class Test>
class WebSocketTestWith : public Test {
 protected:
  WebSocketTestWith() {
    this->service.body = [this](const auto& exchange) {
      exchange->complete(webSocketResponse(exchange->head(), {echo, 100'000}));
    };
  }
  ~WebSocketTestWith() override { this->stop(); }
  Client open() {
    Client client = this->connect();
    EXPECT_EQ(client.ask(kUpgrade).status, 101);
    return client;
  }
  // A small frame of the server: first byte and payload.
  static std::string frameFrom(Client& client) {
    const std::string head = client.take(2);
    if (head.size() < 2) return "closed";
    return head.substr(0, 1) + client.take(static_cast<unsigned char>(head[1]));
  }
  std::shared_ptr<Echo> echo = std::make_shared<Echo>();
};
using WebSocketTest = WebSocketTestWith<ServerTest>;
using WebSocketTimeoutTest = WebSocketTestWith<TimedServerTest>;

TEST_F(WebSocketTest, ShakesHandsAsInTheRfc) {
  const Received received = connect().ask(kUpgrade);
  EXPECT_EQ(received.status, 101);
  EXPECT_EQ(received.header("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(received.header("Upgrade"), "websocket");
  EXPECT_EQ(received.header("Connection"), "Upgrade");
  EXPECT_EQ(received.header("Content-Length"), "");
}

TEST_F(WebSocketTest, CarriesMessagesBothWays) {
  Client client = open();
  ASSERT_TRUE(client.send(masked(0x81, "hi") + masked(0x02, "a") + masked(0x80, "b")));
  EXPECT_EQ(frameFrom(client), "\x81you said hi");
  EXPECT_EQ(frameFrom(client),
            "\x82"
            "ab");
  ASSERT_TRUE(client.send(masked(0x89, "are you there")));
  EXPECT_EQ(frameFrom(client),
            "\x8a"
            "are you there");
}

TEST_F(WebSocketTest, ReadsWhatCameWithTheHandshake) {
  Client client = connect();
  ASSERT_TRUE(client.send(kUpgrade + masked(0x81, "eager")));
  EXPECT_EQ(client.read().status, 101);
  EXPECT_EQ(frameFrom(client), "\x81you said eager");
}

TEST_F(WebSocketTest, SendsFromAnyThread) {
  Client client = open();
  echo->opened.wait()->sendText("news");
  EXPECT_EQ(frameFrom(client), "\x81news");
}

TEST_F(WebSocketTest, AnswersACloseAndEnds) {
  Client client = open();
  ASSERT_TRUE(client.send(masked(0x88, closeBody(1001, "leaving")) + masked(0x81, "ignored")));
  EXPECT_EQ(frameFrom(client), "\x88" + closeBody(1001));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_EQ(echo->ended.wait(), "1001 leaving");
  EXPECT_FALSE(service.waitForSent(1)[0].aborted);
}

TEST_F(WebSocketTest, ClosesAsItsHandlerSays) {
  Client client = open();
  const auto socket = echo->opened.wait();
  ASSERT_TRUE(client.send(masked(0x81, "bye")));
  EXPECT_EQ(frameFrom(client), "\x88" + closeBody(4001, "as you say"));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_EQ(echo->ended.wait(), "4001 as you say");
  EXPECT_FALSE(socket->sendText("too late"));
}

TEST_F(WebSocketTest, ClosesWithTheCodeOfAnError) {
  const std::pair<std::string, unsigned> cases[] = {{masked(0xc1, "x"), 1002},
                                                    {masked(0x81, "\xff"), 1007},
                                                    {masked(0x82, std::string(100'001, 'x')), 1009},
                                                    {masked(0x81, "throw"), 1011}};
  for (const auto& [bytes, code] : cases) {
    Client client = open();
    ASSERT_TRUE(client.send(bytes));
    EXPECT_EQ(frameFrom(client), "\x88" + closeBody(code));
    EXPECT_EQ(echo->ended.wait(), std::to_string(code) + " ");
  }
}

TEST_F(WebSocketTest, TellsItsHandlerThatTheClientIsGone) {
  Client client = open();
  echo->opened.wait();
  client.reset();
  EXPECT_EQ(echo->ended.wait(), "1006 ");
  EXPECT_TRUE(service.waitForSent(1)[0].aborted);
}

TEST_F(WebSocketTest, CutsOffAClientThatDoesNotRead) {
  Client client(server().port(), 16 * 1024);
  EXPECT_EQ(client.ask(kUpgrade).status, 101);
  const auto socket = echo->opened.wait();
  const std::string data(10'000, 'x');
  std::size_t sent = 0;
  while (socket->sendBinary(data)) sent += data.size();
  EXPECT_LT(sent, 64 * limits::kMiB);
  EXPECT_EQ(echo->ended.wait(), "1006 ");
}

TEST_F(WebSocketTest, SaysThatTheServerStops) {
  Client client = open();
  echo->opened.wait();
  server().drain(Deadline::after(clock, seconds(20)));
  EXPECT_EQ(frameFrom(client), "\x88" + closeBody(1001, "the server stops"));
}

TEST_F(WebSocketTimeoutTest, AsksASilentClientWhetherItLivesAndThenCloses) {
  Client client = open();
  echo->opened.wait();
  clock.advance(seconds(30));
  EXPECT_EQ(frameFrom(client), std::string("\x89"));
  ASSERT_TRUE(client.send(masked(0x8a, "") + masked(0x81, "here")));
  EXPECT_EQ(frameFrom(client), "\x81you said here");
  clock.advance(seconds(30));
  EXPECT_EQ(frameFrom(client), std::string("\x89"));
  clock.advance(seconds(30));
  EXPECT_TRUE(client.closedByServer());
  EXPECT_EQ(echo->ended.wait(), "1006 ");
}

TEST(WebSocketHandshake, NamesTheHeaderThatIsWrong) {
  const std::vector<Header> good = {{"Upgrade", "WebSocket"},
                                    {"Connection", "upgrade"},
                                    {"Sec-WebSocket-Version", "13"},
                                    {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  RequestHead head;
  head.headers = good;
  EXPECT_TRUE(requireWebSocket(head));
  const char* bad[] = {"h2c", "keep-alive", "8", "dGhlIHNhbXBsZSBub25jZQ="};
  for (std::size_t i = 0; i < good.size(); ++i) {
    head.headers = good;
    head.headers[i].value = bad[i];
    const auto result = requireWebSocket(head);
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().message.starts_with(good[i].name)) << result.error().message;
    head.headers.erase(head.headers.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(requireWebSocket(head));
  }
}

}  // namespace
}  // namespace corbel::http
