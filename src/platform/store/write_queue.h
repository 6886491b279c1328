// The units that wait for a writer, whichever database they are for.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "store/store.h"

namespace corbel::store {

// A unit on its way. Belongs to the writer that took it.
struct QueuedUnit {
  std::uint64_t number = 0;
  UnitOfWork work;
  // None: not applied yet, or applied and waiting for the commit.
  std::optional<Result<void>> outcome = {};
  std::vector<std::move_only_function<void()>> afterCommit = {};

  // Runs `apply` on the transaction: its outcome, or what one of its statements met. Exceptions of
  // libraries end here.
  Result<void> applyOn(Transaction& transaction);
};

Error expiredError();

// Thread-safe.
class WriteQueue {
 public:
  WriteQueue(const QueueOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  // As of Database::write. `accept` is asked first: an error refuses the unit.
  using Accept = std::function<Result<void>()>;
  void write(UnitOfWork unit, const Accept& accept);
  Result<void> writeAndWait(UnitOfWork unit, const Accept& accept);

  // The share of one of `writers` in what is waiting, `most` units at the most; waits for one.
  // Empty: closed and nothing left, or nothing came for as long as `look`.
  std::vector<QueuedUnit> take(std::size_t most, std::size_t writers = 1,
                               std::optional<std::chrono::milliseconds> look = {});
  // Tells everybody; all must have outcomes.
  void answer(std::vector<QueuedUnit>& group);
  // Whatever is queued is still handed out.
  void close();
  bool closed() const;

  // A writer's thread calls it first: a blocking write on it would wait for itself.
  void thisThreadWrites() const;
  void addTo(DatabaseStats& stats) const;

 private:
  // The unit's number, or why it is refused; then `unit` is untouched.
  Result<std::uint64_t> enqueue(UnitOfWork& unit, const Accept& accept);
  bool withdraw(std::uint64_t number);
  std::size_t& waitingOf(const UnitOfWork& unit) CORBEL_REQUIRES(mutex_);

  const QueueOptions options_;
  const Clock& clock_;

  mutable Mutex mutex_;
  std::condition_variable queued_;
  std::deque<QueuedUnit> queue_ CORBEL_GUARDED_BY(mutex_);
  std::size_t durable_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::size_t bestEffort_ CORBEL_GUARDED_BY(mutex_) = 0;
  std::uint64_t lastNumber_ CORBEL_GUARDED_BY(mutex_) = 0;
  int waiting_ CORBEL_GUARDED_BY(mutex_) = 0;
  bool closed_ CORBEL_GUARDED_BY(mutex_) = false;

  std::atomic<std::uint64_t> committed_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> largestGroup_ = 0;
};

}  // namespace corbel::store
