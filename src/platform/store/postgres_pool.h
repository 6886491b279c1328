// The connections that read from a PostgreSQL server.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "postgres_connection.h"
#include "postgres_server.h"
#include "store/store.h"

namespace corbel::store {

// Thread-safe. Connects as needed, never more often than the most allowed.
class PostgresPool {
 public:
  PostgresPool(PostgresServer& server, int most, const Clock& clock)
      : server_(server), most_(most), clock_(clock) {}

  // fn on one snapshot; bounded by the deadline and the longest read allowed.
  Result<void> read(std::move_only_function<Result<void>(Reader&)> fn, Deadline deadline);
  void addTo(DatabaseStats& stats) const;

 private:
  Result<std::unique_ptr<PostgresConnection>> take(Deadline deadline);
  Result<void> awaitPlace(Deadline deadline);
  std::unique_ptr<PostgresConnection> takeIdle();
  void giveBack(std::unique_ptr<PostgresConnection> connection);

  PostgresServer& server_;
  const int most_;
  const Clock& clock_;

  mutable Mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<PostgresConnection>> idle_ CORBEL_GUARDED_BY(mutex_);
  int inUse_ CORBEL_GUARDED_BY(mutex_) = 0;

  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> waits_ = 0;
  std::atomic<std::uint64_t> waitUs_ = 0;
};

}  // namespace corbel::store
