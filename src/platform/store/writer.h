// The one thread that writes a file: commits what is queued as a group, answers, makes checkpoints.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "condition.h"
#include "connection.h"
#include "store/store.h"
#include "write_queue.h"

namespace corbel::store {

// Thread-safe. The destructor commits what is queued.
class Writer {
 public:
  Writer(std::unique_ptr<Connection> connection, Condition& condition, const QueueOptions& queue,
         const Clock& clock);
  ~Writer();

  void write(UnitOfWork unit);
  Result<void> writeAndWait(UnitOfWork unit);
  // Empties the write-ahead log. unavailable: readers were in the way until the deadline.
  Result<void> emptyLog(Deadline deadline);
  void addTo(DatabaseStats& stats) const;

 private:
  enum class Attempt : std::uint8_t { settled, transactionLost };

  WriteQueue::Accept unlessStopped() const;
  void loop();
  void commit(std::span<QueuedUnit> group);
  Attempt attempt(std::span<QueuedUnit> group);
  void attemptAlone(QueuedUnit& unit);
  Result<void> checkForeignKeys();
  void apply(QueuedUnit& unit);
  Result<void> applyInside(QueuedUnit& unit);
  void checkpointWhenDue();
  void emptyLogWhenAsked();

  const Clock& clock_;
  Condition& condition_;
  std::unique_ptr<Connection> connection_;  // the thread's own once it runs
  WriteQueue queue_;
  std::atomic<std::uint64_t> groups_ = 0;
  std::atomic<std::uint64_t> logPages_ = 0;
  std::atomic<bool> mayEmptyLog_ = false;  // asked for, and not done yet
  std::thread thread_;                     // last: everything above exists before it runs
};

}  // namespace corbel::store
