// Several places to listen at: addresses and Unix sockets.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "bind.h"
#include "loopback.h"

namespace corbel::http {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

class EndpointsTest : public ServerTest {
 protected:
  EndpointsTest() {
    std::string name = testing::TempDir() + "corbel-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path = folder_ + "/socket";
  }
  ~EndpointsTest() override {
    stop();
    std::filesystem::remove_all(folder_);
  }
  std::string path;

 private:
  std::string folder_;
};

TEST_F(EndpointsTest, AnswersAtAllOfThem) {
  options.endpoints = {{.port = 0}, {.host = "::1", .port = 0}, {.unixPath = path}};
  EXPECT_EQ(Client(server().port(0)).ask(kGet).status, 200);
  EXPECT_NE(server().port(1), 0);
  EXPECT_EQ(server().port(2), 0);
  EXPECT_EQ(Client(path).ask(kGet).status, 200);
}

TEST_F(EndpointsTest, KnowsTheProcessBehindAUnixSocket) {
  options.endpoints = {{.unixPath = path}};
  service.body = [](const auto& exchange) {
    const Peer& peer = exchange->head().peer;
    exchange->complete(text(std::string(peer.address) + " " +
                            std::to_string(peer.credentials ? peer.credentials->process : 0)));
  };
  server();
  EXPECT_EQ(Client(path).ask(kGet).body, "unix " + std::to_string(::getpid()));
}

TEST_F(EndpointsTest, GivesTheSocketItsModeAndRemovesItAtTheEnd) {
  options.endpoints = {{.unixPath = path, .unixMode = 0600}};
  server();
  struct stat found{};
  ASSERT_EQ(::lstat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(EndpointsTest, ReplacesASocketOfADeadProcess) {
  ASSERT_TRUE(Address::take({.unixPath = path}));
  options.endpoints = {{.unixPath = path}};
  server();
  EXPECT_EQ(Client(path).ask(kGet).status, 200);
}

TEST_F(EndpointsTest, LeavesASocketAloneThatSomebodyListensAt) {
  const auto other = Address::take({.unixPath = path});
  ASSERT_TRUE(other && listenOn(*other));
  options.endpoints = {{.unixPath = path}};
  const auto second = tryStart();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "cannot listen on the Unix socket " + path +
                ": another program listens there; stop it or choose another path");
  EXPECT_TRUE(Client(path).connected());
}

TEST_F(EndpointsTest, LeavesAFileAloneThatIsNoSocket) {
  std::ofstream(path) << "precious";
  options.endpoints = {{.unixPath = path}};
  ASSERT_FALSE(tryStart());
  EXPECT_EQ(std::filesystem::file_size(path), 8U);
}

TEST_F(EndpointsTest, RefusesAPathThatTheKernelCannotTake) {
  EXPECT_FALSE(Address::take({.unixPath = std::string(108, 'x')}));
}

TEST(Server, SaysWhyItCannotListen) {
  ScriptedService service;
  const SystemClock clock;
  const auto messageFor = [&](std::string host, std::uint16_t port) {
    const auto server =
        Server::start({.endpoints = {{.host = std::move(host), .port = port}}}, service, clock);
    return server ? "started"
                  : std::string(name(server.error().code)) + ": " + server.error().message;
  };
  const auto first = Server::start({.endpoints = {{.port = 0}}}, service, clock);
  ASSERT_TRUE(first);
  const auto port = (*first)->port();
  EXPECT_EQ(messageFor("127.0.0.1", port),
            "failed_precondition: cannot listen on 127.0.0.1:" + std::to_string(port) +
                ": another program listens there; stop it or choose another port");
  EXPECT_EQ(messageFor("192.0.2.1", 3004),
            "failed_precondition: cannot listen on 192.0.2.1:3004: this machine does not have that "
            "address; use "
            "127.0.0.1 or 0.0.0.0");
  EXPECT_EQ(messageFor("no host", 3004),
            "failed_precondition: cannot listen on no host:3004: the host must be an address of "
            "this machine, such as "
            "127.0.0.1, 0.0.0.0 or ::");
}

TEST_F(EndpointsTest, StartsOnAnAddressThatWasTakenBefore) {
  auto address = Address::take("127.0.0.1", 0);
  ASSERT_TRUE(address) << address.error().message;
  const std::uint16_t port = address->port;
  EXPECT_FALSE(Client(port).connected());
  const auto started = Server::start(*std::move(address), ServerOptions(), service, clock);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ((*started)->port(), port);
  EXPECT_EQ(Client(port).ask(kGet).status, 200);
}

TEST(Address, IsNotTakenWhereAnotherListens) {
  ScriptedService service;
  const SystemClock clock;
  const auto first = Server::start({.endpoints = {{.port = 0}}}, service, clock);
  ASSERT_TRUE(first);
  EXPECT_FALSE(Address::take("127.0.0.1", (*first)->port()));
}

TEST(Address, MayBeIpv6WithOrWithoutBrackets) {
  EXPECT_TRUE(Address::take("::1", 0));
  EXPECT_TRUE(Address::take("[::1]", 0));
}

}  // namespace
}  // namespace corbel::http
