#include "net/post.h"

#include <gtest/gtest.h>

#include <string>

#include "base/trace.h"
#include "loopback_server.h"
#include "net/public_address.h"

namespace corbel::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

Result<int> send(const std::string& url, const DestinationPolicy& policy = {}) {
  const SystemClock clock;
  return post({.url = url, .headers = {{"X-Test", "1"}}, .body = "{}"}, policy,
              Deadline::after(clock, seconds(5)), clock);
}

DestinationPolicy trusting(const Server& server) {
  return {.allowed = {{"127.0.0.1", server.port()}}};
}

bool isPublicText(const std::string& text) {
  if (text.contains(':')) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &six.sin6_addr), 1) << text;
    return isPublic(reinterpret_cast<const sockaddr&>(six));
  }
  sockaddr_in four{};
  four.sin_family = AF_INET;
  EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &four.sin_addr), 1) << text;
  return isPublic(reinterpret_cast<const sockaddr&>(four));
}

TEST(PublicAddress, IsWhatTheInternetRoutes) {
  for (const char* address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
        "172.32.0.0", "192.167.255.255", "198.17.255.255", "223.255.255.255",
        "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"})
    EXPECT_TRUE(isPublicText(address)) << address;
}

TEST(PublicAddress, IsNotPrivateLocalSpecialOrAnIPv4AddressInDisguise) {
  for (const char* address : {"0.0.0.0",
                              "10.0.0.1",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.168.0.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "203.0.113.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:1.1.1.1",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "fc00::1",
                              "fdff::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "2001:db8::1",
                              "2001::1",
                              "2002:7f00:1::",
                              "3fff::1",
                              "100::1"})
    EXPECT_FALSE(isPublicText(address)) << address;
}

TEST(Post, ReachesNothingInternalWhateverTheUrlLooksLike) {
  const Server trap((std::string(kOk)));
  const std::string port = std::to_string(trap.port());
  // The port is allowed, so that only the address can be what refuses.
  const DestinationPolicy policy{.ports = {443, trap.port()}};
  for (const std::string& host : {"127.0.0.1",
                                  "2130706433",
                                  "0177.0.0.1",
                                  "017700000001",
                                  "0x7f000001",
                                  "0x7f.1",
                                  "127.1",
                                  "127.0.1",
                                  "0",
                                  "0.0.0.0",
                                  "[::1]",
                                  "[::]",
                                  "[::ffff:127.0.0.1]",
                                  "[::ffff:7f00:1]",
                                  "[::127.0.0.1]",
                                  "[fe80::1%25lo]",
                                  "localhost",
                                  "LOCALHOST",
                                  "localhost.",
                                  "ip6-localhost",
                                  "127.0.0.1.",
                                  "%31%32%37.0.0.1",
                                  "\u2460\u2461\u2466.0.0.1",
                                  "user@127.0.0.1",
                                  "example.com@127.0.0.1",
                                  "example.com:443@127.0.0.1"}) {
    for (const std::string_view scheme : {"https", "http", "HTTPS"}) {
      EXPECT_FALSE(send(fmt::format("{}://{}:{}/", scheme, host, port), policy))
          << scheme << " " << host;
    }
  }
  for (const std::string& rest :
       {"127.0.0.1:" + port + "#@example.com/", "127.0.0.1:" + port + "?@example.com/",
        "127.0.0.1:" + port + "\\@example.com/", "example.com\\@127.0.0.1:" + port + "/",
        "127.0.0.1:" + port + "\t/", " 127.0.0.1:" + port + "/"})
    EXPECT_FALSE(send("https://" + rest, policy)) << rest;
  EXPECT_EQ(trap.connections(), 0);
}

TEST(Post, RefusesMetadataServicesOtherSchemesAndPorts) {
  EXPECT_EQ(send("https://169.254.169.254/latest/meta-data").error().code,
            ErrorCode::permissionDenied);
  EXPECT_EQ(send("https://100.100.100.200/").error().code, ErrorCode::permissionDenied);
  for (const char* url :
       {"gopher://example.com/", "file:///etc/passwd", "dict://example.com/", "ftp://example.com/",
        "unix:///run/docker.sock", "http://example.com/", "https://example.com:22/",
        "https://example.com:6379/", "https://user:word@example.com/", "https://", "", "x"}) {
    EXPECT_EQ(send(url).error().code, ErrorCode::invalidArgument) << url;
  }
}

TEST(Post, FollowsNoRedirect) {
  const Server trap((std::string(kOk)));
  const Server server(fmt::format(
      "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", trap.url()));
  EXPECT_EQ(send(server.url(), trusting(server)), 307);
  EXPECT_EQ(trap.connections(), 0);
}

TEST(Post, ReachesAPrivateAddressOnlyWhereTheOperatorListsItWithItsPort) {
  const Server server((std::string(kOk)));
  EXPECT_EQ(send(server.url(), trusting(server)), 200);
  const int before = server.connections();
  const auto other = static_cast<std::uint16_t>(server.port() - 1);
  EXPECT_FALSE(send(server.url(), {.allowed = {{"127.0.0.1", other}}}));
  EXPECT_FALSE(send(server.url(), {.allowed = {{"127.0.0.1", {}}}}));
  EXPECT_FALSE(send(server.url("localhost"), trusting(server)));
  EXPECT_EQ(server.connections(), before);
}

TEST(Post, EndsAtTheDeadlineAndReadsNoEndlessAnswer) {
  const SystemClock clock;
  const Server silent("");
  EXPECT_EQ(post({.url = silent.url(), .body = ""}, trusting(silent),
                 Deadline::after(clock, milliseconds(100)), clock)
                .error()
                .code,
            ErrorCode::deadlineExceeded);
  const Server endless("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" +
                       std::string(4'000'000, 'x'));
  EXPECT_EQ(send(endless.url(), trusting(endless)).error().code, ErrorCode::unavailable);
}

TEST(AllowedHost, IsAHostWithAnOptionalPort) {
  EXPECT_EQ(parseAllowedHost("Hooks.Internal:9000")->host, "hooks.internal");
  EXPECT_EQ(parseAllowedHost("Hooks.Internal:9000")->port, 9000);
  EXPECT_EQ(parseAllowedHost("[::1]")->port, std::nullopt);
  for (const char* text : {"", ":80", "host:", "host:0", "host:70000", "http://host", "a b"})
    EXPECT_FALSE(parseAllowedHost(text)) << text;
}

TEST(Post, CarriesTheTraceOfTheCallThatItIsPartOf) {
  const Server server((std::string(kOk)));
  const trace::Context call{0x0af7651916cd43dd, 0x8448eb211c80319c, 0xb7ad6b7169203331, false};
  {
    const trace::Scope scope({.context = call});
    EXPECT_TRUE(send(server.url(), trusting(server)));
  }
  EXPECT_TRUE(server.request().contains("traceparent: " + trace::toTraceparent(call)));
  EXPECT_TRUE(send(server.url(), trusting(server)));
  EXPECT_FALSE(server.request().contains("traceparent"));
}

}  // namespace
}  // namespace corbel::net
