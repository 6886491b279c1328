#include "write_queue.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "base/trace.h"

namespace corbel::store {
namespace {

// The queue that this thread writes for.
thread_local const WriteQueue* writingFor = nullptr;

}  // namespace

Error expiredError() {
  return {ErrorCode::deadlineExceeded, "the time allowed ran out before this was stored", {}, {}};
}

Result<void> QueuedUnit::applyOn(Transaction& transaction) {
  afterCommit.clear();
  Result<void> applied;
  try {
    applied = work.apply(transaction);
  } catch (const std::exception& thrown) {
    applied = fail(ErrorCode::internal, "the change failed", thrown.what());
  }
  if (applied && transaction.failure()) applied = std::unexpected(*transaction.failure());
  if (applied) afterCommit = transaction.takeAfterCommit();
  return applied;
}

std::size_t& WriteQueue::waitingOf(const UnitOfWork& unit) {
  return unit.unitClass == UnitClass::durable ? durable_ : bestEffort_;
}

Result<std::uint64_t> WriteQueue::enqueue(UnitOfWork& unit, const Accept& accept) {
  CORBEL_CHECK(accept());
  MutexLock lock(mutex_);
  std::size_t& waiting = waitingOf(unit);
  const std::size_t most =
      unit.unitClass == UnitClass::durable ? options_.durableMax : options_.bestEffortMax;
  if (waiting >= most) {
    return fail(ErrorCode::unavailable, "too many writes are waiting; try again");
  }
  ++waiting;
  queue_.push_back({.number = ++lastNumber_, .work = std::move(unit)});
  if (waiting_ > 0) queued_.notify_one();
  return lastNumber_;
}

void WriteQueue::write(UnitOfWork unit, const Accept& accept) {
  if (auto queued = enqueue(unit, accept); !queued) {
    ++refused_;
    unit.done(std::unexpected(std::move(queued).error()));
  }
}

Result<void> WriteQueue::writeAndWait(UnitOfWork unit, const Accept& accept) {
  if (writingFor == this) {
    return fail(ErrorCode::internal, "the database could not do this",
                "a blocking write on the writer's own thread");
  }
  struct Wait {
    Mutex mutex;
    std::condition_variable answered;
    std::optional<Result<void>> outcome CORBEL_GUARDED_BY(mutex);
  } wait;
  unit.done = [&wait](Result<void> outcome) {
    MutexLock lock(wait.mutex);
    wait.outcome = std::move(outcome);
    wait.answered.notify_one();  // under the lock: `wait` ends as soon as it is let go
  };
  trace::Span span("commit");
  if (trace::current().recorder != nullptr) {
    unit.apply = [position = trace::current(),
                  apply = std::move(unit.apply)](Transaction& tx) mutable -> Result<void> {
      const trace::Scope scope(position);
      return apply(tx);
    };
  }
  Deadline deadline = unit.deadline;
  const auto number = enqueue(unit, accept);
  if (!number) {
    ++refused_;
    return std::unexpected(number.error());
  }
  MutexLock lock(wait.mutex);
  while (!wait.outcome) {
    if (!waitUntil(lock, wait.answered, deadline, clock_) && !wait.outcome) {
      if (withdraw(*number)) return std::unexpected(expiredError());
      deadline = Deadline::never();  // it has begun: the outcome comes soon
    }
  }
  return *std::move(wait.outcome);
}

bool WriteQueue::withdraw(std::uint64_t number) {
  MutexLock lock(mutex_);
  const auto found = std::ranges::lower_bound(queue_, number, {}, &QueuedUnit::number);
  if (found == queue_.end() || found->number != number) return false;
  --waitingOf(found->work);
  queue_.erase(found);
  return true;
}

std::vector<QueuedUnit> WriteQueue::take(std::size_t most, std::size_t writers,
                                         std::optional<std::chrono::milliseconds> look) {
  MutexLock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + look.value_or(std::chrono::milliseconds(0));
  ++waiting_;
  while (queue_.empty() && !closed_) {
    if (!look) {
      lock.wait(queued_);
    } else if (!lock.waitUntil(queued_, until)) {
      break;
    }
  }
  --waiting_;
  const std::size_t share = std::min((queue_.size() + writers - 1) / writers, most);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(share);
  for (auto unit = queue_.begin(); unit != end; ++unit) --waitingOf(unit->work);
  std::vector<QueuedUnit> group(std::make_move_iterator(queue_.begin()),
                                std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return group;
}

void WriteQueue::answer(std::vector<QueuedUnit>& group) {
  const auto good = static_cast<std::uint64_t>(std::ranges::count_if(
      group, [](const QueuedUnit& unit) { return unit.outcome->has_value(); }));
  committed_ += good;
  failed_ += group.size() - good;
  std::uint64_t largest = largestGroup_;
  while (largest < group.size() && !largestGroup_.compare_exchange_weak(largest, group.size())) {
  }
  for (QueuedUnit& unit : group) {
    if (*unit.outcome) {
      for (auto& fn : unit.afterCommit) fn();
    }
    unit.work.done(*std::move(unit.outcome));
  }
  group.clear();  // what the functions hold must not wait for the next group
}

void WriteQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  queued_.notify_all();
}

bool WriteQueue::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

void WriteQueue::thisThreadWrites() const { writingFor = this; }

void WriteQueue::addTo(DatabaseStats& stats) const {
  stats.unitsCommitted = committed_;
  stats.unitsFailed = failed_;
  stats.unitsRefused = refused_;
  stats.largestGroup = largestGroup_;
  MutexLock lock(mutex_);
  stats.queueDepth = queue_.size();
}

}  // namespace corbel::store
