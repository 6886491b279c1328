// The connections that read.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "condition.h"
#include "connection.h"
#include "store/store.h"

namespace corbel::store {

// Thread-safe. Opens connections as they are needed, never more than the most allowed.
class ReaderPool {
 public:
  ReaderPool(std::filesystem::path file, const SqliteOptions& options, const Clock& clock,
             Condition& condition)
      : file_(std::move(file)),
        readersMax_(options.readersMax),
        readMax_(options.readMax),
        clock_(clock),
        condition_(condition) {}

  // The connections a program starts with.
  Result<void> openFirst();
  // fn on one snapshot; bounded by the deadline and the longest read allowed.
  Result<void> read(std::move_only_function<Result<void>(Reader&)> fn, Deadline deadline);
  // fn outside a transaction, bounded by the deadline alone.
  Result<void> inspect(std::move_only_function<Result<void>(Connection&)> fn, Deadline deadline);
  void addTo(DatabaseStats& stats) const;

 private:
  Result<std::unique_ptr<Connection>> take(Deadline deadline);
  Result<std::unique_ptr<Connection>> openOne();
  void giveBack(std::unique_ptr<Connection> connection);
  void discard(std::unique_ptr<Connection> connection);

  const std::filesystem::path file_;
  const int readersMax_;
  const std::chrono::milliseconds readMax_;
  const Clock& clock_;
  Condition& condition_;

  mutable Mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_ CORBEL_GUARDED_BY(mutex_);
  int open_ CORBEL_GUARDED_BY(mutex_) = 0;

  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> waits_ = 0;
  std::atomic<std::uint64_t> waitUs_ = 0;
};

}  // namespace corbel::store
