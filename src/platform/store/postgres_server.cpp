#include "postgres_server.h"

#include <algorithm>
#include <span>

namespace corbel::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Well below the 5 s within which a server that is back must be used again.
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{1'000};

}  // namespace

milliseconds withJitter(milliseconds most) {
  SystemRandom random;
  std::uint16_t word = 0;
  random.fill(std::as_writable_bytes(std::span(&word, 1)));
  return most / 2 + most * word / (2 * 65'536);
}

bool PostgresServer::mayTry() const {
  MutexLock lock(mutex_);
  return steady_clock::now() >= notBefore_;
}

void PostgresServer::failed(steady_clock::time_point begun) {
  MutexLock lock(mutex_);
  if (begun <= succeeded_) return;  // somebody else has been luckier meanwhile
  condition_.lost();
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  notBefore_ = steady_clock::now() + withJitter(pause_);
}

void PostgresServer::succeeded() {
  MutexLock lock(mutex_);
  condition_.reached();
  succeeded_ = steady_clock::now();
  pause_ = milliseconds(0);
  notBefore_ = {};
}

Result<std::unique_ptr<PostgresConnection>> PostgresServer::connect(milliseconds statementMax) {
  if (!mayTry()) {
    return fail(ErrorCode::unavailable, "the database does not answer; try again",
                "the last attempt to connect has just failed");
  }
  const auto begun = steady_clock::now();
  auto connection = PostgresConnection::open(
      target_,
      {.schema = options_.schema, .connectMax = options_.connectMax, .statementMax = statementMax});
  connection ? succeeded() : failed(begun);
  return connection;
}

}  // namespace corbel::store
