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

// A server that takes nobody in has answered, too.
bool isRefusal(const Error& error) { return error.detail.contains("FATAL"); }

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
  gone_ = false;
  succeeded_ = steady_clock::now();
  pause_ = milliseconds(0);
  notBefore_ = {};
}

// Connections that are there may answer where a new one is not to be had; but not when one of them
// was silent.
void PostgresServer::goneSince(Moment begun) {
  failed(begun);
  MutexLock lock(mutex_);
  gone_ = begun > succeeded_;
  if (gone_) goneAt_ = steady_clock::now();
}

bool PostgresServer::isGone() const {
  MutexLock lock(mutex_);
  return gone_;
}

bool PostgresServer::trusts(const PostgresConnection& connection) const {
  MutexLock lock(mutex_);
  return connection.openedAt() > goneAt_;
}

Result<std::unique_ptr<PostgresConnection>> PostgresServer::connect(milliseconds statementMax) {
  if (!mayTry())
    return std::unexpected(
        PostgresConnection::noAnswer("the last attempt to connect has just failed"));
  const auto begun = steady_clock::now();
  auto connection = PostgresConnection::open(
      target_, {.schema = options_.schema,
                .connectMax = options_.connectMax,
                .statementMax = statementMax,
                .lockMax = options_.lockMax,
                .isThere = [this](Moment since) { return isThere(since); }});
  connection ? succeeded() : failed(begun);
  return connection;
}

Result<std::unique_ptr<PostgresConnection>> PostgresServer::reconnect(milliseconds statementMax) {
  auto connection = connect(statementMax);
  if (connection) return connection;
  const Error& error = connection.error();
  if (isRefusal(error))
    return fail(ErrorCode::unavailable, "the database takes nobody in now; try again",
                error.detail);
  return std::unexpected(PostgresConnection::noAnswer(error.message + ": " + error.detail));
}

Result<void> PostgresServer::ask(Moment since) {
  const MutexLock alone(asking_);
  const bool isNew = askedAt_ > since;
  const bool isFresh = askedAt_ > steady_clock::now() - 2 * options_.connectMax;
  if (!isNew && !(isFresh && answer_ && isGone())) {
    askedAt_ = steady_clock::now();
    answer_.reset();
    const auto connected = PostgresConnection::tryToConnect(target_, options_.connectMax);
    if (!connected) answer_ = connected.error();
    if (connected) succeeded();
    if (!connected && !isRefusal(connected.error())) goneSince(askedAt_);
  }
  if (answer_) return std::unexpected(*answer_);
  return {};
}

bool PostgresServer::isThere(Moment since) {
  const auto answered = ask(since);
  return answered || isRefusal(answered.error());
}

}  // namespace corbel::store
