#include "writer.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <ranges>
#include <utility>

#include "session.h"

namespace corbel::store {
namespace {

// Larger groups gain nothing (fsync is already shared by enough) and make the first of them wait
// longer.
constexpr std::size_t kGroupMax = 1'000;
constexpr std::uint64_t kCheckpointPages = 1'000;  // 4 MB, SQLite's own default
constexpr std::uint64_t kRestartPages =
    16'000;  // 64 MB: readers have kept the log from being reused

Error stoppedError() {
  return {ErrorCode::unavailable,
          "writing has stopped after a disk error; the server must be restarted",
          {},
          {}};
}

// SQLite's word for an interrupted statement inside a unit whose time ran out.
Error expiredError() {
  return {ErrorCode::deadlineExceeded, "the time allowed ran out before this was stored", {}, {}};
}

}  // namespace

Writer::Writer(std::unique_ptr<Connection> connection, Condition& condition, std::size_t queueMax,
               const Clock& clock)
    : clock_(clock),
      condition_(condition),
      queueMax_(queueMax),
      connection_(std::move(connection)),
      thread_([this] { loop(); }) {}

Writer::~Writer() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
    queued_.notify_one();
  }
  thread_.join();
}

Result<std::uint64_t> Writer::enqueue(UnitOfWork& unit) {
  if (condition_.state() == StoreState::stopped) return std::unexpected(stoppedError());
  MutexLock lock(mutex_);
  if (queue_.size() >= queueMax_) {
    return fail(ErrorCode::unavailable, "too many writes are waiting; try again");
  }
  queue_.push_back({++lastNumber_, std::move(unit), std::nullopt});
  if (std::exchange(waiting_, false)) queued_.notify_one();
  return lastNumber_;
}

void Writer::write(UnitOfWork unit) {
  if (auto queued = enqueue(unit); !queued) {
    ++refused_;
    unit.done(std::unexpected(std::move(queued).error()));
  }
}

Result<void> Writer::writeAndWait(std::move_only_function<Result<void>(Transaction&)> fn,
                                  Deadline deadline) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    return fail(ErrorCode::internal, "the database could not do this",
                "a blocking write on the writer's own thread");
  }
  struct Wait {
    Mutex mutex;
    std::condition_variable answered;
    std::optional<Result<void>> outcome CORBEL_GUARDED_BY(mutex);
  } wait;
  UnitOfWork unit{
      .apply = std::move(fn),
      .done =
          [&wait](Result<void> outcome) {
            MutexLock lock(wait.mutex);
            wait.outcome = std::move(outcome);
            wait.answered.notify_one();  // under the lock: `wait` ends as soon as it is let go
          },
      .deadline = deadline};
  const auto number = enqueue(unit);
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

bool Writer::withdraw(std::uint64_t number) {
  MutexLock lock(mutex_);
  const auto found = std::ranges::lower_bound(queue_, number, {}, &Unit::number);
  if (found == queue_.end() || found->number != number) return false;
  queue_.erase(found);
  return true;
}

void Writer::loop() {
  pthread_setname_np(pthread_self(), "db-write");
  for (auto group = takeGroup(); !group.empty(); group = takeGroup()) {
    commit(group);
    answer(group);
    checkpointWhenDue();
  }
}

std::vector<Writer::Unit> Writer::takeGroup() {
  MutexLock lock(mutex_);
  while (queue_.empty() && !closing_) {
    waiting_ = true;
    lock.wait(queued_);
  }
  waiting_ = false;
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kGroupMax));
  std::vector<Unit> group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return group;
}

void Writer::commit(std::span<Unit> group) {
  if (attempt(group) == Attempt::settled) return;
  // One unit made SQLite give up the whole transaction. The others go again, each alone, so that a
  // second such unit cannot disturb anybody.
  for (Unit& unit : group) {
    if (!unit.outcome) attempt({&unit, 1});
  }
}

Writer::Attempt Writer::attempt(std::span<Unit> group) {
  const auto settle = [&](const Result<void>& outcome) {
    for (Unit& unit : group) {
      if (!unit.outcome) unit.outcome = outcome;
    }
    return Attempt::settled;
  };
  if (condition_.state() == StoreState::stopped) return settle(std::unexpected(stoppedError()));
  connection_->setDeadline(Deadline::never());
  if (auto begun = connection_->run("BEGIN IMMEDIATE"); !begun) return settle(begun);
  for (Unit& unit : group) {
    apply(unit);
    if (!connection_->inTransaction()) return Attempt::transactionLost;
  }
  auto committed = condition_.state() == StoreState::stopped ? std::unexpected(stoppedError())
                                                             : connection_->run("COMMIT");
  if (!committed && connection_->inTransaction()) std::ignore = connection_->run("ROLLBACK");
  if (committed) condition_.committed();
  ++groups_;
  return settle(committed);
}

void Writer::apply(Unit& unit) {
  if (unit.work.deadline.expired(clock_)) {
    unit.outcome = std::unexpected(expiredError());
    return;
  }
  connection_->setDeadline(unit.work.deadline);
  auto applied = applyInside(unit);
  connection_->setDeadline(Deadline::never());
  if (!applied) unit.outcome = std::move(applied);
}

Result<void> Writer::applyInside(Unit& unit) {
  CORBEL_CHECK(connection_->run("SAVEPOINT unit"));
  SqliteTransaction transaction(*connection_);
  Result<void> applied;
  try {
    applied = unit.work.apply(transaction);
  } catch (const std::exception& thrown) {
    applied = fail(ErrorCode::internal, "the change failed", thrown.what());
  }
  if (!connection_->inTransaction()) {
    if (applied)
      applied = fail(ErrorCode::internal, "the change failed", "it went on after a fatal error");
    return applied;
  }
  connection_->setDeadline(Deadline::never());
  auto ended = applied ? Result<void>() : connection_->run("ROLLBACK TO unit");
  if (ended) ended = connection_->run("RELEASE unit");
  if (ended) return applied;
  // What it did can no longer be told from what the others did.
  std::ignore = connection_->run("ROLLBACK");
  return applied ? ended : applied;
}

void Writer::answer(std::vector<Unit>& group) {
  const auto good = static_cast<std::uint64_t>(
      std::ranges::count_if(group, [](const Unit& unit) { return unit.outcome->has_value(); }));
  committed_ += good;
  failed_ += group.size() - good;
  largestGroup_ = std::max(largestGroup_.load(), std::uint64_t{group.size()});
  for (Unit& unit : group) unit.work.done(*std::move(unit.outcome));
  group.clear();  // what the functions hold must not wait for the next group
}

void Writer::checkpointWhenDue() {
  logPages_ = connection_->logPages();
  const std::uint64_t uncopied = connection_->uncopiedPages();
  const StoreState state = condition_.state();
  // On a full disk the log itself may hold the room that is missing.
  const bool due = uncopied >= kCheckpointPages || (state == StoreState::full && uncopied > 0);
  if (!due || state == StoreState::stopped) return;
  // Failures show in `condition_`, or do no harm: the log keeps what was not copied.
  std::ignore =
      connection_->checkpoint(logPages_ < kRestartPages ? Connection::Checkpoint::passive
                                                        : Connection::Checkpoint::restart);
}

void Writer::addTo(DatabaseStats& stats) const {
  stats.unitsCommitted = committed_;
  stats.unitsFailed = failed_;
  stats.unitsRefused = refused_;
  stats.groups = groups_;
  stats.largestGroup = largestGroup_;
  stats.logPages = logPages_;
  MutexLock lock(mutex_);
  stats.queueDepth = queue_.size();
}

}  // namespace corbel::store
