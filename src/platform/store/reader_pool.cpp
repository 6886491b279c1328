#include "reader_pool.h"

#include <algorithm>
#include <exception>
#include <tuple>
#include <utility>

#include "base/limits.h"
#include "session.h"

namespace corbel::store {

Result<void> ReaderPool::openFirst() {
  for (int i = 0; i < std::min(limits::kReadersAtStart, readersMax_); ++i) {
    CORBEL_TRY(auto connection, Connection::open(file_, Access::read, clock_, condition_));
    MutexLock lock(mutex_);
    ++open_;
    idle_.push_back(std::move(connection));
  }
  return {};
}

Result<std::unique_ptr<Connection>> ReaderPool::take(Deadline deadline) {
  {
    MutexLock lock(mutex_);
    const auto busy = [this]()
                          CORBEL_REQUIRES(mutex_) { return idle_.empty() && open_ >= readersMax_; };
    if (busy()) {
      const SteadyTime since = clock_.steady();
      ++waits_;
      while (busy()) {
        if (!waitUntil(lock, freed_, deadline, clock_) && busy()) {
          return fail(ErrorCode::deadlineExceeded,
                      "the database is busy: no read could begin in the time allowed");
        }
      }
      waitUs_ += static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - since).count());
    }
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());  // the one used last: its page cache is warm
      idle_.pop_back();
      return connection;
    }
    ++open_;
  }
  return openOne();
}

Result<std::unique_ptr<Connection>> ReaderPool::openOne() {
  auto connection = Connection::open(file_, Access::read, clock_, condition_);
  if (!connection) discard(nullptr);
  return connection;
}

void ReaderPool::discard(std::unique_ptr<Connection> connection) {
  connection.reset();
  MutexLock lock(mutex_);
  --open_;
  freed_.notify_one();
}

void ReaderPool::giveBack(std::unique_ptr<Connection> connection) {
  MutexLock lock(mutex_);
  idle_.push_back(std::move(connection));
  freed_.notify_one();
}

Result<void> ReaderPool::inspect(std::move_only_function<Result<void>(Connection&)> fn,
                                 Deadline deadline) {
  if (deadline.expired(clock_))
    return fail(ErrorCode::deadlineExceeded, "the time allowed ran out before this was read");
  CORBEL_TRY(auto connection, take(deadline));
  ++reads_;
  connection->setDeadline(deadline);
  Result<void> outcome;
  try {
    outcome = fn(*connection);
  } catch (const std::exception& thrown) {
    outcome = fail(ErrorCode::internal, "the query failed", thrown.what());
  }
  connection->setDeadline(Deadline::never());
  if (connection->inTransaction()) std::ignore = connection->run("ROLLBACK");
  // With a snapshot that does not end, the next read would see the past and the log would grow.
  connection->inTransaction() ? discard(std::move(connection)) : giveBack(std::move(connection));
  return outcome;
}

Result<void> ReaderPool::read(std::move_only_function<Result<void>(Reader&)> fn,
                              Deadline deadline) {
  const auto onSnapshot = [&](Connection& connection) -> Result<void> {
    connection.setDeadline(deadline.earlier(Deadline::after(clock_, readMax_)));
    CORBEL_CHECK(connection.run("BEGIN"));
    SqliteReader reader(connection, clock_);
    return fn(reader);
  };
  return inspect(onSnapshot, deadline);
}

void ReaderPool::addTo(DatabaseStats& stats) const {
  stats.reads = reads_;
  stats.readsThatWaited = waits_;
  stats.readWaitUs = waitUs_;
  MutexLock lock(mutex_);
  stats.readersOpen = static_cast<std::uint64_t>(open_);
}

}  // namespace corbel::store
