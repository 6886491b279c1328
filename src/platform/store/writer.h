// The one thread that writes: takes what is queued, commits it as a group, answers, makes
// checkpoints.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "condition.h"
#include "connection.h"
#include "store/store.h"

namespace corbel::store {

// Thread-safe. The destructor commits what is queued.
class Writer {
 public:
  Writer(std::unique_ptr<Connection> connection, Condition& condition, std::size_t queueMax,
         const Clock& clock);
  ~Writer();

  void write(UnitOfWork unit);
  Result<void> writeAndWait(std::move_only_function<Result<void>(Transaction&)> fn,
                            Deadline deadline);
  void addTo(DatabaseStats& stats) const;

 private:
  struct Unit {
    std::uint64_t number = 0;
    UnitOfWork work;
    std::optional<Result<void>>
        outcome;  // none: not applied yet, or applied and waiting for the commit
  };
  enum class Attempt : std::uint8_t { settled, transactionLost };

  // The unit's number, or why it is refused; then `unit` is untouched.
  Result<std::uint64_t> enqueue(UnitOfWork& unit);
  bool withdraw(std::uint64_t number);
  void loop();
  std::vector<Unit> takeGroup();
  void commit(std::span<Unit> group);
  Attempt attempt(std::span<Unit> group);
  void apply(Unit& unit);
  Result<void> applyInside(Unit& unit);
  void answer(std::vector<Unit>& group);
  void checkpointWhenDue();

  const Clock& clock_;
  Condition& condition_;
  const std::size_t queueMax_;
  std::unique_ptr<Connection> connection_;  // the thread's own once it runs

  mutable Mutex mutex_;
  std::condition_variable queued_;
  std::deque<Unit> queue_ CORBEL_GUARDED_BY(mutex_);
  std::uint64_t lastNumber_ CORBEL_GUARDED_BY(mutex_) = 0;
  bool waiting_ CORBEL_GUARDED_BY(mutex_) = false;
  bool closing_ CORBEL_GUARDED_BY(mutex_) = false;

  std::atomic<std::uint64_t> committed_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> groups_ = 0;
  std::atomic<std::uint64_t> largestGroup_ = 0;
  std::atomic<std::uint64_t> logPages_ = 0;
  std::thread thread_;  // last: everything above exists before it runs
};

}  // namespace corbel::store
