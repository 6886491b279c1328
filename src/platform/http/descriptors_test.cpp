// Sockets as the kernel sees them: how many may be open, what is watched, where is listened.
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "bind.h"
#include "event_loop.h"
#include "loopback.h"
#include "open_files.h"

namespace corbel::http {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

using DescriptorTest = ServerTest;

// The process may open no more files than now, until the end of the test.
class NoMoreFiles {
 public:
  NoMoreFiles() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

double cpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

TEST_F(DescriptorTest, PausesWithoutDescriptorsAndGoesOnWhenThereAreSome) {
  Client served = connect();
  EXPECT_EQ(served.ask(kGet).status, 200);
  Client waiting;  // its descriptor exists before the limit falls
  {
    const NoMoreFiles limit;
    waiting.connect(server().port());
    ASSERT_TRUE(waiting.send(kGet));
    const double before = cpuSeconds();
    EXPECT_FALSE(waiting.hears(std::chrono::milliseconds(500)));
    EXPECT_LT(cpuSeconds() - before, 0.03);
    EXPECT_EQ(served.ask(kGet).status, 200);
  }
  EXPECT_EQ(waiting.read().status, 200);
}

// Descriptors that epoll instances of this process watch.
std::size_t watched() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) count += line.starts_with("tfd:") ? 1 : 0;
  }
  return count;
}

// A copy of the server's end of `client`, such as a process has that is just being spawned.
Descriptor copyOfPeer(std::uint16_t clientPort) {
  for (int number = 3; number < 1024; ++number) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    if (::getpeername(number, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
        address.sin_family == AF_INET && ntohs(address.sin_port) == clientPort) {
      return Descriptor(::dup(number));
    }
  }
  return {};
}

TEST_F(DescriptorTest, ForgetsAConnectionThoughACopyOfItsSocketIsOpen) {
  Client client = connect();
  EXPECT_EQ(client.ask(kGet).status, 200);
  const auto before = watched();
  const Descriptor copy = copyOfPeer(client.port());
  ASSERT_TRUE(copy);
  service.body = [](const auto& exchange) { exchange->complete(text("last")); };
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(client.read().body, "last");
  client.close();
  while (server().stats().connections > 0) std::this_thread::yield();
  EXPECT_EQ(watched(), before - 1);
}

// A copy of the socket that the server listens on.
Descriptor copyOfListener() {
  for (int number = 3; number < 1024; ++number) {
    int listens = 0;
    socklen_t length = sizeof listens;
    if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0) {
      return Descriptor(::dup(number));
    }
  }
  return {};
}

TEST_F(DescriptorTest, ForgetsItsListenerThoughACopyOfItsSocketIsOpen) {
  Promised<std::shared_ptr<Exchange>> running;
  service.body = [&](const auto& exchange) { running.set(exchange); };
  Client busy = connect();
  ASSERT_TRUE(busy.send(kGet));
  const auto exchange = running.wait();
  const auto before = watched();
  const Descriptor copy = copyOfListener();
  ASSERT_TRUE(copy);
  std::jthread drainer([&] { server().drain(Deadline::after(clock, std::chrono::seconds(20))); });
  while (watched() == before) std::this_thread::yield();
  EXPECT_EQ(watched(), before - 1);
  exchange->complete(text("done"));
  EXPECT_EQ(busy.read().status, 200);
}

TEST(OpenFiles, LeaveRoomForOthersThanConnections) {
  EXPECT_EQ(connectionsWithin(20'000, 10'000), 10'000U);
  EXPECT_EQ(connectionsWithin(1024, 10'000), 768U);
  EXPECT_EQ(connectionsWithin(100, 10'000), 50U);
  EXPECT_EQ(connectionsWithin(1, 10'000), 1U);
}

TEST_F(DescriptorTest, ServesNoMoreConnectionsThanTheProcessMayOpen) {
  options.maxConnections = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(server().stats().maxConnections,
            connectionsWithin(raiseOpenFiles(), options.maxConnections));
}

SocketAddress ipv4(const char* text) {
  SocketAddress address;
  auto& in = reinterpret_cast<sockaddr_in&>(address.bytes);
  in.sin_family = AF_INET;
  ::inet_pton(AF_INET, text, &in.sin_addr);
  address.length = sizeof in;
  return address;
}

SocketAddress ipv6(const char* text) {
  SocketAddress address;
  auto& in = reinterpret_cast<sockaddr_in6&>(address.bytes);
  in.sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, text, &in.sin6_addr);
  address.length = sizeof in;
  return address;
}

Result<Address> take(std::vector<SocketAddress> addresses, std::uint16_t port = 0) {
  auto taken = bindAll(std::move(addresses), {.host = "localhost", .port = port});
  if (taken) CORBEL_CHECK(listenOn(*taken));
  return taken;
}

TEST(Address, IsEveryAddressOfANameOnOnePort) {
  for (const auto& addresses :
       {std::vector{ipv6("::1"), ipv4("127.0.0.1")}, {ipv4("0.0.0.0"), ipv6("::")}}) {
    const auto taken = take(addresses);
    ASSERT_TRUE(taken) << taken.error().message;
    EXPECT_EQ(taken->sockets.size(), 2U);
    EXPECT_NE(taken->port, 0);
  }
}

TEST(Address, LeavesOutWhatTheMachineDoesNotHave) {
  const auto taken = take({ipv4("192.0.2.1"), ipv4("127.0.0.1")});
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->sockets.size(), 1U);
  EXPECT_FALSE(take({ipv4("192.0.2.1")}));
}

TEST(Address, IsRefusedWhereOneOfANameIsTaken) {
  const auto first = take({ipv4("127.0.0.1")});
  ASSERT_TRUE(first);
  EXPECT_FALSE(take({ipv4("127.0.0.2"), ipv4("127.0.0.1")}, first->port));
}

}  // namespace
}  // namespace corbel::http
