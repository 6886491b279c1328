// For tests: a real Redis server in a folder that goes with it.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace corbel::redis {

inline sockaddr_in loopbackAddress(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A port that nobody uses now.
inline std::uint16_t freePort() {
  const Descriptor probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopbackAddress(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(probe.number(), generic, size) != 0 || getsockname(probe.number(), generic, &size) != 0)
    ADD_FAILURE() << "no port is free";
  return ntohs(address.sin_port);
}

class RedisServer {
 public:
  // `options` are those of redis.conf, as words: {"--requirepass", "secret"}.
  explicit RedisServer(std::vector<std::string> options = {}) : options_(std::move(options)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-redis-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    start();
  }
  ~RedisServer() {
    kill();
    std::filesystem::remove_all(folder_);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string path(const std::string& name) const { return folder_ / name; }

  // With an empty memory.
  void start() {
    std::vector<std::string> words{CORBEL_REDIS_SERVER,
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   folder_.string(),
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "no",
                                   "--port",
                                   std::to_string(port_)};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, path("log").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int outcome =
        posix_spawn(&process_, CORBEL_REDIS_SERVER, &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (outcome != 0) {
      ADD_FAILURE() << CORBEL_REDIS_SERVER << " cannot be started: ./dev setup fetches it";
      process_ = -1;
      return;
    }
    awaitListening();
  }

  void kill() { end(SIGKILL); }
  void stopProcess() const { ::kill(process_, SIGSTOP); }
  void continueProcess() const { ::kill(process_, SIGCONT); }

 private:
  void end(int signal) {
    if (process_ < 0) return;
    ::kill(process_, signal);
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = -1;
  }

  void awaitListening() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      const Descriptor probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in address = loopbackAddress(port_);
      if (connect(probe.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return;
      poll(nullptr, 0, 2);
    }
    ADD_FAILURE() << "Redis does not listen";
  }

  const std::vector<std::string> options_;
  std::filesystem::path folder_;
  const std::uint16_t port_ = freePort();
  pid_t process_ = -1;
};

}  // namespace corbel::redis
