// What the parser must refuse, because another program in the chain could read it differently.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loopback.h"

namespace corbel::http {
namespace {

using RefusalTest = ServerTest;

struct Case {
  std::string name;
  std::string request;
  int status = 400;
};

std::string get(std::string_view headers) {
  return "GET / HTTP/1.1\r\n" + std::string(headers) + "\r\n";
}
std::string post(std::string_view headers, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n" + std::string(body);
}
std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }
std::string target(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

const std::string kSmuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

const std::vector<Case> kRefused = {
    {"CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", kSmuggled)},
    {"TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", kSmuggled)},
    {"TE with length zero", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", kSmuggled)},
    {"two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab")},
    {"the same length twice", post("Content-Length: 1\r\nContent-Length: 1\r\n", "a")},
    {"length zero twice", post("Content-Length: 0\r\nContent-Length: 0\r\n")},
    {"a list of lengths", post("Content-Length: 1, 1\r\n", "a")},
    {"length with plus", post("Content-Length: +1\r\n", "a")},
    {"length with minus", post("Content-Length: -1\r\n", "a")},
    {"length in hex", post("Content-Length: 0x1\r\n", "a")},
    {"length with letters", post("Content-Length: 1a\r\n", "a")},
    {"length with a space inside", post("Content-Length: 1 0\r\n", "a")},
    {"length with a fraction", post("Content-Length: 1.0\r\n", "a")},
    {"length without digits", post("Content-Length: \r\n")},
    {"length over 64 bits", post("Content-Length: 18446744073709551617\r\n", "a")},
    {"length over 63 bits", post("Content-Length: 9223372036854775808\r\n", "a")},
    {"space before the colon of TE", post("Transfer-Encoding : chunked\r\n", kSmuggled)},
    {"tab before the colon of TE", post("Transfer-Encoding\t: chunked\r\n", kSmuggled)},
    {"space before the colon of CL", post("Content-Length : 1\r\n", "a")},
    {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", kSmuggled)},
    {"TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", kSmuggled)},
    {"TE identity", post("Transfer-Encoding: identity\r\n")},
    {"TE xchunked", post("Transfer-Encoding: xchunked\r\n", kSmuggled)},
    {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", kSmuggled)},
    {"TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", kSmuggled)},
    {"TE twice, second unknown",
     post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", kSmuggled)},
    {"TE empty", post("Transfer-Encoding:\r\n", kSmuggled)},
    {"TE with vertical tab", post("Transfer-Encoding: \vchunked\r\n", kSmuggled)},
    {"TE in HTTP/1.0",
     "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + kSmuggled},
    {"obs-fold with space", get("Host: x\r\nA: b\r\n c\r\n")},
    {"obs-fold with tab", get("Host: x\r\nTransfer-Encoding:\r\n\tchunked\r\n")},
    {"a first header that begins with space", get(" Host: x\r\n")},
    {"bare LF in the head", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"},
    {"bare LF after the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n"},
    {"bare LF at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n"},
    {"bare LF only", "GET / HTTP/1.1\nHost: x\n\n"},
    {"bare CR in a value", get("Host: x\r\nA: b\rTransfer-Encoding: chunked\r\n")},
    {"bare CR in the request line", "GET / HTTP/1.1\rHost: x\r\n\r\n"},
    {"two CR", "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n"},
    {"NUL in a value", get(std::string("Host: x\r\nA: b\0c\r\n", 17))},
    {"NUL in a name", get(std::string("Host: x\r\nA\0: b\r\n", 16))},
    {"DEL in a value", get("Host: x\r\nA: \x7f\r\n")},
    {"a header without a name", get("Host: x\r\n: b\r\n")},
    {"a header without a colon", get("Host: x\r\nnonsense\r\n")},
    {"a header name with a parenthesis", get("Host: x\r\nA(b: c\r\n")},
    {"a header name beyond ASCII", get("Host: x\r\n\xc3\xa4: c\r\n")},
    {"no Host", get("A: b\r\n")},
    {"two Hosts", get("Host: x\r\nHost: y\r\n")},
    {"the same Host twice", get("Host: x\r\nhost: x\r\n")},
    {"Host with a path", get("Host: x/y\r\n")},
    {"Host with user information", get("Host: a@x\r\n")},
    {"Host with a space", get("Host: x y\r\n")},
    {"Host with a comma list", get("Host: x, y\r\n")},
    {"a target without a slash", target("index")},
    {"a target with a fragment", target("/a#b")},
    {"a target with a control character", target("/a\x01")},
    {"a target with DEL", target("/a\x7f")},
    {"a target with a tab", target("/a\tb")},
    {"a target with NUL", target(std::string_view("/a\0b", 4))},
    {"a target beyond ASCII", target("/\xc3\xa4")},
    {"asterisk with GET", target("*")},
    {"absolute target of another scheme", target("ftp://x/")},
    {"absolute target with user information", target("http://a@x/")},
    {"absolute target without a host", target("http:///a")},
    {"absolute target without a path", target("http://x")},
    {"two spaces in the request line", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"a space after the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
    {"a space before the method", " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"no version (HTTP/0.9)", "GET /\r\n\r\n"},
    {"HTTP/2", "GET / HTTP/2\r\nHost: x\r\n\r\n"},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {"HTTP/1.11", "GET / HTTP/1.11\r\nHost: x\r\n\r\n"},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
    {"lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n"},
    {"a TLS hello", "\x16\x03\x01\x02"},
    {"another expectation", post("Expect: 200-ok\r\nContent-Length: 1\r\n", "a")},
    {"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
    {"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
    {"a method of another protocol", "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
    {"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
    {"a method with a control character", "GE\x01T / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"one long header", get("Host: x\r\nA: " + std::string(17'000, 'b') + "\r\n"), 431},
    {"many headers together",
     get("Host: x\r\n" +
         [] {
           std::string headers;
           for (int i = 0; i < 100; ++i) headers += "A: " + std::string(200, 'b') + "\r\n";
           return headers;
         }()),
     431},
    {"too many headers",
     get("Host: x\r\n" +
         [] {
           std::string headers;
           for (int i = 0; i < 200; ++i) headers += "A:b\r\n";
           return headers;
         }()),
     431},
    {"a long target", target("/" + std::string(17'000, 'a')), 431},
    {"a request line without end", std::string(40'000, 'A'), 431},
    {"chunk size empty", chunked("\r\n\r\n")},
    {"chunk size with a sign", chunked("+1\r\na\r\n0\r\n\r\n")},
    {"chunk size with 0x", chunked("0x1\r\na\r\n0\r\n\r\n")},
    {"chunk size with a space before", chunked(" 1\r\na\r\n0\r\n\r\n")},
    {"chunk size with a space behind", chunked("1 \r\na\r\n0\r\n\r\n")},
    {"chunk size with a bare LF", chunked("1\na\r\n0\r\n\r\n")},
    {"chunk size that overflows", chunked("10000000000000001\r\na\r\n0\r\n\r\n")},
    {"chunk size of many zeros", chunked(std::string(20, '0') + "1\r\na\r\n0\r\n\r\n")},
    {"chunk size beyond the body limit",
     chunked("fffffffffffffff\r\na\r\n0\r\n\r\n" + std::string(2'000'000, 'a')), 413},
    {"chunk longer than its size", chunked("1\r\nab\r\n0\r\n\r\n")},
    {"chunk that ends with a bare LF", chunked("1\r\na\n0\r\n\r\n")},
    {"chunk extension with a bare LF", chunked("1;a\nb\r\na\r\n0\r\n\r\n")},
    {"chunk extension too long", chunked("1;" + std::string(9'000, 'a') + "\r\na\r\n0\r\n\r\n")},
    {"trailers too long", chunked("0\r\nA: " + std::string(9'000, 'a') + "\r\n\r\n")},
    {"a trailer that is continued", chunked("0\r\nA: b\r\n c\r\n\r\n")},
    {"a trailer with NUL", chunked(std::string_view("0\r\nA: \0\r\n\r\n", 11))},
    {"a trailer with a bare CR", chunked("0\r\nA: b\rc\r\n\r\n")},
    {"chunk extension with a control character", chunked("1;\x01\r\na\r\n0\r\n\r\n")},
    {"a trailer without a colon", chunked("0\r\nnonsense\r\n\r\n")},
    {"a trailer without a name", chunked("0\r\n: a\r\n\r\n")},
    {"a trailer with a bare LF", chunked("0\r\nA: b\nC: d\r\n\r\n")},
};

TEST_F(RefusalTest, AnswersMalformedRequestsWithAnErrorAndCloses) {
  std::vector<std::string> served;
  service.body = [&](const auto& exchange) {
    served.emplace_back(exchange->head().target);
    exchange->complete(text("served"));
  };
  for (const auto& [name, request, status] : kRefused) {
    Client client = connect();
    client.send(request);
    client.finishSending();
    EXPECT_EQ(client.read().status, status) << name;
    EXPECT_TRUE(client.closedByServer()) << name;
  }
  stop();
  EXPECT_TRUE(served.empty()) << served.front();
}

TEST_F(RefusalTest, AnswersTheRequestsBeforeTheMalformedOne) {
  Client client = connect();
  ASSERT_TRUE(client.send(get("Host: x\r\n") + get("Host: x\r\n") + "nonsense\r\n\r\n" +
                          get("Host: x\r\n")));
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 400);
  EXPECT_TRUE(client.closedByServer());
}

TEST_F(RefusalTest, RefusesEarlyWhatCannotBecomeARequest) {
  Client client = connect();
  ASSERT_TRUE(client.send("\x16\x03\x01"));
  EXPECT_EQ(client.read().status, 400);
}

const std::vector<std::pair<std::string, std::string>> kAccepted = {
    {get("Host:\r\n"), "GET / "},
    {get("Host: [::1]:80\r\n"), "GET / "},
    {get("host:x\r\nempty:\r\nutf-8: \xc3\xa4\r\n"), "GET / "},
    {"\r\n" + get("Host: x\r\n"), "GET / "},
    {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * "},
    {target("/a%20b?c=/d?e&f={}|~"), "GET /a%20b?c=/d?e&f={}|~ "},
    {target("http://y:80/a?b"), "GET /a?b "},
    {post("Content-Length: 003\r\n", "abc"), "POST / abc"},
    {post("TRANSFER-ENCODING:  Chunked \r\n",
          "0003\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\n"),
     "POST / abc0123456789"},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", "GET / ab"},
    {get("Host: x\r\nA: " + std::string(16'000, 'b') + "\r\n"), "GET / "},
};

TEST_F(RefusalTest, AcceptsUnusualButUnambiguousRequests) {
  Client client = connect();
  for (const auto& [request, answer] : kAccepted)
    EXPECT_EQ(client.ask(request).body, answer) << request;
}

TEST_F(RefusalTest, TakesTheHostOfAnAbsoluteTarget) {
  service.head = [](const auto& exchange) {
    exchange->complete(text(std::string(exchange->head().header("Host"))));
  };
  EXPECT_EQ(connect().ask(target("http://y:80/a")).body, "y:80");
}

}  // namespace
}  // namespace corbel::http
