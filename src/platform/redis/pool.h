// The connections to one server.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "connection.h"
#include "redis/redis.h"

namespace corbel::redis {

// Thread-safe. One connection that fails means that the server is lost: all are dropped, and the
// keeper's thread makes the first of the new ones before commands are taken again. While there are
// some, another one that cannot be made is tried again later.
class Client::Pool {
 public:
  Pool(Options options, const Clock& clock, Random& random);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Result<Reply> ask(std::span<const std::string_view> words, Deadline deadline);
  Status status() const;
  std::uint64_t losses() const { return losses_; }

 private:
  struct Lease {
    std::unique_ptr<Connection> connection;
    std::uint64_t generation = 0;  // another than the pool's: the server was lost since
  };
  enum class Work : std::uint8_t { none, connect, check };

  Result<Lease> take(Deadline deadline);
  void giveBack(Lease lease, const Error* error);
  void lose(const Error& error) CORBEL_REQUIRES(mutex_);

  void keep(const std::stop_token& stop);
  Work nextWork(const std::stop_token& stop, Lease& idle);
  void connect(std::uint64_t generation);
  void check(Lease lease);
  std::chrono::milliseconds pause() CORBEL_REQUIRES(mutex_);

  const Options options_;
  const Clock& clock_;
  Random& random_;
  mutable Mutex mutex_;
  std::condition_variable returned_;
  std::condition_variable work_;
  bool isAvailable_ CORBEL_GUARDED_BY(mutex_) = false;
  std::uint64_t generation_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::size_t open_ CORBEL_GUARDED_BY(mutex_) = 0;  // of this generation, with those being made
  std::size_t waiting_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Connection>> idle_ CORBEL_GUARDED_BY(mutex_);  // longest idle first
  std::string lastError_ CORBEL_GUARDED_BY(mutex_);
  unsigned failures_ CORBEL_GUARDED_BY(mutex_) = 0;  // in a row
  SteadyTime nextWork_ CORBEL_GUARDED_BY(mutex_);
  SteadyTime nextMore_ CORBEL_GUARDED_BY(mutex_);  // when another connection may be tried again
  std::atomic<std::uint64_t> losses_ = 0;
  std::jthread keeper_;  // the last: it works with all others
};

}  // namespace corbel::redis
