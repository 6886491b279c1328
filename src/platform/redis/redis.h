// A Redis server: a pool of connections that heals by itself, and its answers as values. Cache and
// counter, never the place where something is kept. Redis 5 and newer, and what speaks its protocol
// (RESP2); one server, no cluster.
#pragma once
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace corbel::resilience {
class Dependency;
struct DependencyParts;
}  // namespace corbel::resilience

namespace corbel::redis {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string username = {};  // of an ACL user; empty: the password alone is sent
  Secret password = {};       // empty: none is sent
  int database = 0;
  bool tls = false;
  std::string caFile = {};  // PEM; empty: the system's authorities
  std::size_t connectionsMax = 16;
  std::chrono::milliseconds connectMax{500};  // of a connection with TLS and sign-in
  std::chrono::milliseconds timeout{50};      // of one command, whatever its deadline
  // Must outlive the client, which is then the dependency "redis" and refuses at once while the
  // server does not answer. Null: whoever asks finds out.
  const resilience::DependencyParts* guard = nullptr;
};

struct Reply {
  enum class Kind : std::uint8_t { nil, integer, text, status, error, array };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text = {};  // of text, status and error
  std::vector<Reply> elements = {};
};

// Of one answer, so that a server that has gone mad costs little.
inline constexpr std::size_t kReplyBytes = std::size_t{8} * 1024 * 1024;
inline constexpr std::size_t kReplyElements = 4'096;

struct Status {
  bool available = false;
  std::string lastError = {};  // of the last loss; empty: there was none
  std::size_t connections = 0;
  std::uint64_t losses = 0;  // how often the server was lost
};

// Thread-safe. Connections are made, checked and made again by a thread of its own, with growing
// pauses of at most a second; commands never wait for that while the server is lost.
class Client {
 public:
  // The first connection is tried before it returns; a server that is away is no error. `clock` and
  // `random` must outlive it.
  Client(Options options, const Clock& clock, Random& random);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // One command and its answer; sent once, never again. An error reply of the server is a Reply.
  // unavailable: the server is lost, or all connections are in use; at once where that is known.
  // deadline_exceeded: no answer in time. Both: the command may have been executed; not where less
  // than half of Options::timeout was left, which is too little to ask.
  Result<Reply> command(std::span<const std::string_view> words, Deadline deadline);
  Result<Reply> command(std::initializer_list<std::string_view> words, Deadline deadline) {
    return command(std::span(words.begin(), words.size()), deadline);
  }

  Status status() const;
  // How often the server was lost: as long as it stays the same, nothing was forgotten by a
  // restart.
  std::uint64_t losses() const;
  // As long as the client. Null: there is no Options::guard.
  const resilience::Dependency* dependency() const { return dependency_.get(); }

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<resilience::Dependency> dependency_;  // the last: its probe works with the pool
};

// A Lua script that the server runs as one command.
class Script {
 public:
  explicit Script(std::string text);
  // The server's memory of scripts may be empty (restart, SCRIPT FLUSH): then the text is sent once
  // more. As Client::command; the first `keys` of `arguments` are its keys.
  Result<Reply> run(Client& client, std::size_t keys, std::span<const std::string_view> arguments,
                    Deadline deadline) const;

 private:
  std::string text_;
  std::string sha1_;
};

}  // namespace corbel::redis
