#include "redis/redis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "redis_server.h"
#include "resilience/dependency.h"
#include "slow_proxy.h"
#include "telemetry/metrics.h"

namespace corbel::redis {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Kind = Reply::Kind;

class RedisTest : public testing::Test {
 protected:
  Client& client(Options options = {}) {
    if (!client_) {
      if (options.port == 6379) options.port = server.port();
      client_.emplace(std::move(options), clock, random);
    }
    return *client_;
  }
  Deadline soon() const { return Deadline::after(clock, std::chrono::seconds(5)); }
  Result<Reply> ask(std::initializer_list<std::string_view> words) {
    return client().command(words, soon());
  }
  std::string textOf(std::initializer_list<std::string_view> words) {
    const auto reply = ask(words);
    return reply ? reply->text : reply.error().message;
  }
  // What the condition waits for comes from other processes.
  static bool becomes(const std::function<bool()>& condition, milliseconds within) {
    const auto until = std::chrono::steady_clock::now() + within;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      poll(nullptr, 0, 1);
    }
    return true;
  }
  bool isAvailable() { return client().status().available; }

  SystemClock clock;
  SystemRandom random;
  RedisServer server;
  std::optional<Client> client_;
};

TEST_F(RedisTest, IsNotAskedOnceItIsKnownToBeAwayAndAskedAgainWhenItIsBack) {
  metrics::Metrics metrics;
  const resilience::DependencyParts guard{clock, random, metrics};
  client({.guard = &guard});
  EXPECT_EQ(textOf({"SET", "name", "value"}), "OK");
  server.kill();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(ask({"GET", "name"}));
  EXPECT_TRUE(client().dependency()->isOpen());
  EXPECT_THAT(textOf({"GET", "name"}), HasSubstr("does not answer now"));
  EXPECT_EQ(client().dependency()->snapshot().failed, 5u);
  server.start();
  EXPECT_TRUE(becomes([&] { return ask({"PING"}).has_value(); }, std::chrono::seconds(5)));
  client_.reset();
}

TEST_F(RedisTest, AnswersCommands) {
  EXPECT_EQ(textOf({"SET", "name", "a value\r\n"}), "OK");
  EXPECT_EQ(textOf({"GET", "name"}), "a value\r\n");
  EXPECT_EQ(ask({"GET", "nothing"})->kind, Kind::nil);
  EXPECT_EQ(ask({"INCRBY", "n", "7"})->integer, 7);
  EXPECT_EQ(ask({"LPUSH", "name", "x"})->kind, Kind::error);
  EXPECT_EQ(client().status().losses, 0u);
}

TEST_F(RedisTest, GivesEveryThreadItsOwnAnswer) {
  client();
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&, mine = std::to_string(i)] {
        for (int round = 0; round < 50; ++round) {
          const auto reply = ask({"ECHO", mine});
          wrong += reply && reply->text == mine ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(client().status().connections, 16u);
}

TEST_F(RedisTest, SaysAtOnceThatItIsAwayAndComesBackByItself) {
  ASSERT_TRUE(ask({"PING"}));
  server.kill();
  EXPECT_FALSE(ask({"PING"}));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask({"PING"}).error().code, ErrorCode::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(500));
  EXPECT_GE(client().status().losses, 1u);
  EXPECT_THAT(client().status().lastError, HasSubstr("Redis"));
  server.start();
  EXPECT_TRUE(becomes([this] { return isAvailable(); }, milliseconds(5'000)));
  EXPECT_EQ(textOf({"PING"}), "PONG");
}

TEST_F(RedisTest, NoticesARestartThatNobodyAskedMeanwhile) {
  ASSERT_TRUE(ask({"PING"}));
  server.kill();
  server.start();
  EXPECT_TRUE(becomes([this] { return client().losses() > 0; }, milliseconds(5'000)));
  EXPECT_TRUE(becomes([this] { return isAvailable(); }, milliseconds(5'000)));
}

TEST_F(RedisTest, AnAnswerThatComesLateIsNobodysAnswer) {
  SlowProxy proxy(server.port());
  client({.port = proxy.port()});
  ASSERT_EQ(textOf({"ECHO", "first"}), "first");
  proxy.delay(100);
  EXPECT_EQ(ask({"ECHO", "late"}).error().code, ErrorCode::deadlineExceeded);
  EXPECT_FALSE(isAvailable());
  proxy.delay(0);
  EXPECT_TRUE(becomes([this] { return isAvailable(); }, milliseconds(5'000)));
  EXPECT_EQ(textOf({"ECHO", "second"}), "second");
}

TEST_F(RedisTest, KeepsTheConnectionsThatItHasWhereItGetsNoMore) {
  client({.timeout = milliseconds(5'000)});
  ASSERT_EQ(textOf({"CONFIG", "SET", "maxclients", "1"}), "OK");
  std::atomic<bool> isDone = false;
  std::jthread holder([&] {
    EXPECT_TRUE(ask({"BLPOP", "nothing", "1"}));  // a second, on the only connection
    isDone = true;
  });
  while (!isDone) {
    EXPECT_EQ(textOf({"PING"}), "PONG");
    poll(nullptr, 0, 1);  // the holder's turn
  }
  EXPECT_EQ(client().losses(), 0u);
}

TEST_F(RedisTest, IsNotLostToCallersWhoGiveItNoTime) {
  SlowProxy proxy(server.port());
  client({.port = proxy.port(), .timeout = milliseconds(2'000)});
  ASSERT_EQ(textOf({"ECHO", "first"}), "first");
  proxy.delay(100);
  for (const int time : {0, 20}) {
    const auto deadline = Deadline::after(clock, milliseconds(time));
    const auto late = client().command({"ECHO", "late"}, deadline);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::deadlineExceeded);
  }
  proxy.delay(0);
  EXPECT_EQ(textOf({"ECHO", "second"}), "second");
  EXPECT_EQ(client().losses(), 0u);
}

TEST_F(RedisTest, AServerThatIsTooSlowIsAway) {
  SlowProxy proxy(server.port());
  proxy.delay(100);
  EXPECT_FALSE(client({.port = proxy.port()}).status().available);
  EXPECT_THAT(client().status().lastError, HasSubstr("in time"));
}

TEST_F(RedisTest, AStoppedServerCostsOneTimeoutEach) {
  ASSERT_TRUE(ask({"PING"}));
  server.stopProcess();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask({"PING"}).error().code, ErrorCode::deadlineExceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(500));
  EXPECT_EQ(ask({"PING"}).error().code, ErrorCode::unavailable);
  server.continueProcess();
  EXPECT_TRUE(becomes([this] { return isAvailable(); }, milliseconds(5'000)));
}

TEST_F(RedisTest, RunsAScriptThatTheServerHasForgotten) {
  const Script script("return {KEYS[1], ARGV[1]}");
  const std::vector<std::string_view> arguments{"key", "argument"};
  for (int round = 0; round < 2; ++round) {
    const auto reply = script.run(client(), 1, arguments, soon());
    ASSERT_TRUE(reply && reply->elements.size() == 2);
    EXPECT_EQ(reply->elements[1].text, "argument");
    ASSERT_EQ(textOf({"SCRIPT", "FLUSH"}), "OK");
  }
}

TEST_F(RedisTest, ChoosesTheDatabase) {
  ASSERT_EQ(textOf({"SET", "name", "in 0"}), "OK");
  Client other({.port = server.port(), .database = 3}, clock, random);
  EXPECT_EQ(other.command({"GET", "name"}, soon())->kind, Kind::nil);
}

TEST_F(RedisTest, SignsInWithAUserOrAPasswordAlone) {
  RedisServer locked(
      {"--requirepass", "open sesame", "--user", "ann", "on", ">secret", "~*", "+@all"});
  const auto signsIn = [&](const std::string& user, const std::string& password) {
    Client one({.port = locked.port(), .username = user, .password = Secret(password)}, clock,
               random);
    EXPECT_THAT(one.status().lastError, testing::Not(HasSubstr(password)));
    return one.status().available;
  };
  EXPECT_TRUE(signsIn("", "open sesame"));
  EXPECT_TRUE(signsIn("ann", "secret"));
  EXPECT_FALSE(signsIn("ann", "wrong password"));
  EXPECT_FALSE(signsIn("", "wrong password"));
  Client nobody({.port = locked.port()}, clock, random);
  EXPECT_THAT(nobody.status().lastError, HasSubstr("NOAUTH"));
}

// Whatever it says, it costs an error.
class RedisSays : public testing::TestWithParam<std::string> {};

TEST_P(RedisSays, NothingThatHurts) {
  const SystemClock clock;
  SystemRandom random;
  const Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopbackAddress(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener.number(), generic, size), 0);
  ASSERT_EQ(listen(listener.number(), 8), 0);
  ASSERT_EQ(getsockname(listener.number(), generic, &size), 0);
  // Answers the sign-in well and then says what it likes.
  std::jthread impostor([&](const std::stop_token& stop) {
    std::vector<Descriptor> peers;
    while (!stop.stop_requested()) {
      pollfd waiting{.fd = listener.number(), .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, 5) <= 0) continue;
      Descriptor peer(accept(listener.number(), nullptr, nullptr));
      std::array<char, 4096> request{};
      if (recv(peer.number(), request.data(), request.size(), 0) <= 0) continue;
      const std::string_view pong = "+PONG\r\n";
      send(peer.number(), pong.data(), pong.size(), MSG_NOSIGNAL);
      pollfd asked{.fd = peer.number(), .events = POLLIN, .revents = 0};
      if (poll(&asked, 1, 300) > 0 && recv(peer.number(), request.data(), request.size(), 0) > 0) {
        send(peer.number(), GetParam().data(), GetParam().size(), MSG_NOSIGNAL);
      }
      peers.push_back(std::move(peer));
    }
  });
  Client client({.port = ntohs(address.sin_port)}, clock, random);
  const auto reply = client.command({"GET", "x"}, Deadline::after(clock, milliseconds(200)));
  ASSERT_FALSE(reply);
  for (const char c : client.status().lastError) EXPECT_TRUE(c >= ' ' && c <= '~');
}

INSTANTIATE_TEST_SUITE_P(Garbage, RedisSays,
                         testing::Values("HTTP/1.1 200 OK\r\n\r\n", "*1000000000\r\n",
                                         "$1000000000\r\nxxxx", "+OK\r\n+and more\r\n",
                                         "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
                                         std::string("\0\0\0\0", 4)));

// A certificate for localhost and its key, which the openssl program makes.
void makeCertificate(const std::string& certificate, const std::string& key) {
  std::vector<std::string> words{"openssl",
                                 "req",
                                 "-x509",
                                 "-newkey",
                                 "ec",
                                 "-pkeyopt",
                                 "ec_paramgen_curve:prime256v1",
                                 "-nodes",
                                 "-days",
                                 "2",
                                 "-subj",
                                 "/CN=test",
                                 "-addext",
                                 "subjectAltName=DNS:localhost",
                                 "-keyout",
                                 key,
                                 "-out",
                                 certificate};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  ASSERT_EQ(posix_spawnp(&child, "openssl", &actions, nullptr, arguments.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

TEST(RedisTls, TrustsOnlyACertificateOfItsAuthorityForItsName) {
  std::signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  SystemRandom random;
  std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
  const std::string folder = mkdtemp(pattern.data());
  const std::string certificate = folder + "/one.crt";
  const std::string key = folder + "/one.key";
  makeCertificate(certificate, key);
  const std::uint16_t tlsPort = freePort();
  const RedisServer server({"--tls-port", std::to_string(tlsPort), "--tls-cert-file", certificate,
                            "--tls-key-file", key, "--tls-auth-clients", "no"});
  const auto reaches = [&](const std::string& host, const std::string& authority) {
    Client client({.host = host,
                   .port = tlsPort,
                   .tls = true,
                   .caFile = authority,
                   .connectMax = milliseconds(2'000),
                   .timeout = milliseconds(500)},
                  clock, random);
    const auto reply = client.command({"ECHO", std::string(100'000, 'x')},
                                      Deadline::after(clock, milliseconds(500)));
    return reply && reply->text.size() == 100'000;
  };
  EXPECT_TRUE(reaches("localhost", certificate));
  EXPECT_FALSE(reaches("127.0.0.1", certificate));  // the certificate is for the name
  EXPECT_FALSE(reaches("localhost", ""));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace corbel::redis
