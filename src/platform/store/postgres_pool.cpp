#include "postgres_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "postgres_session.h"

namespace corbel::store {

Result<void> PostgresPool::awaitPlace(Deadline deadline) {
  MutexLock lock(mutex_);
  if (inUse_ >= most_) {
    const SteadyTime since = clock_.steady();
    const Deadline patience = Deadline::after(clock_, server_.options().poolWaitMax);
    ++waits_;
    while (inUse_ >= most_) {
      if (waitUntil(lock, freed_, deadline.earlier(patience), clock_) || inUse_ < most_) continue;
      if (deadline.expired(clock_)) {
        return fail(ErrorCode::deadlineExceeded,
                    "the database is busy: no read could begin in the time allowed");
      }
      return fail(ErrorCode::unavailable, "the database is busy; try again");
    }
    waitUs_ += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - since).count());
  }
  ++inUse_;
  return {};
}

std::unique_ptr<PostgresConnection> PostgresPool::takeIdle() {
  MutexLock lock(mutex_);
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

Result<std::unique_ptr<PostgresConnection>> PostgresPool::take(Deadline deadline) {
  CORBEL_CHECK(awaitPlace(deadline));
  // After a restart of the server all of them are dead.
  while (auto connection = takeIdle()) {
    if (server_.trusts(*connection) && connection->isAlive()) return connection;
  }
  auto connection = server_.reconnect(server_.options().readMax);
  if (!connection) giveBack(nullptr);
  return connection;
}

void PostgresPool::giveBack(std::unique_ptr<PostgresConnection> connection) {
  MutexLock lock(mutex_);
  --inUse_;
  if (connection != nullptr && !connection->lost()) idle_.push_back(std::move(connection));
  freed_.notify_one();
}

Result<void> PostgresPool::read(std::move_only_function<Result<void>(Reader&)> fn,
                                Deadline deadline) {
  if (deadline.expired(clock_))
    return fail(ErrorCode::deadlineExceeded, "the time allowed ran out before this was read");
  CORBEL_TRY(auto connection, take(deadline));
  ++reads_;
  connection->queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const auto most = server_.options().readMax;
  if (const auto left = deadline.remaining(clock_); left < most)
    connection->queue(fmt::format("SET LOCAL statement_timeout TO {}", std::max(left.count(), 1L)));
  const Deadline own = deadline.earlier(Deadline::after(clock_, most));
  connection->setPatience(patienceUntil(own, clock_));
  PostgresReader reader(PostgresSession(*connection, server_.contention(), own, clock_));
  Result<void> outcome;
  try {
    outcome = fn(reader);
  } catch (const std::exception& thrown) {
    outcome = fail(ErrorCode::internal, "the query failed", thrown.what());
  }
  if (!connection->lost()) connection->endQuietly();
  // Whatever became of the error on its way through `fn`.
  if (connection->lost() && !outcome)
    outcome = std::unexpected(PostgresConnection::noAnswer(std::move(outcome.error().detail)));
  giveBack(std::move(connection));
  return outcome;
}

void PostgresPool::addTo(DatabaseStats& stats) const {
  stats.reads = reads_;
  stats.readsThatWaited = waits_;
  stats.readWaitUs = waitUs_;
  MutexLock lock(mutex_);
  stats.readersOpen = idle_.size() + static_cast<std::size_t>(inUse_);
}

}  // namespace corbel::store
