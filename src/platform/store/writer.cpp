#include "writer.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "in_doubt.h"
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

}  // namespace

Writer::Writer(std::unique_ptr<Connection> connection, Condition& condition,
               const QueueOptions& queue, const Clock& clock)
    : clock_(clock),
      condition_(condition),
      connection_(std::move(connection)),
      queue_(queue, clock),
      thread_([this] { loop(); }) {}

Writer::~Writer() {
  queue_.close();
  thread_.join();
}

WriteQueue::Accept Writer::unlessStopped() const {
  return [this]() -> Result<void> {
    if (condition_.state() == StoreState::stopped) return std::unexpected(stoppedError());
    return {};
  };
}

void Writer::write(UnitOfWork unit) { queue_.write(std::move(unit), unlessStopped()); }

Result<void> Writer::writeAndWait(UnitOfWork unit) {
  return queue_.writeAndWait(std::move(unit), unlessStopped());
}

// Done after the answer of a unit, so it has been tried for the first one when the second is
// answered.
Result<void> Writer::emptyLog(Deadline deadline) {
  const auto nothing = [](Transaction&) -> Result<void> { return {}; };
  mayEmptyLog_ = true;
  while (mayEmptyLog_) {
    for (int i = 0; i < 2; ++i)
      CORBEL_CHECK(writeAndWait({.apply = nothing, .done = {}, .deadline = deadline}));
  }
  return {};
}

void Writer::loop() {
  pthread_setname_np(pthread_self(), "db-write");
  queue_.thisThreadWrites();
  for (auto group = queue_.take(kGroupMax); !group.empty(); group = queue_.take(kGroupMax)) {
    commit(group);
    queue_.answer(group);
    emptyLogWhenAsked();
    checkpointWhenDue();
  }
}

void Writer::emptyLogWhenAsked() {
  if (!mayEmptyLog_ || condition_.state() == StoreState::stopped) return;
  if (connection_->checkpoint(Connection::Checkpoint::truncate)) mayEmptyLog_ = false;
}

void Writer::commit(std::span<QueuedUnit> group) {
  const auto alone = [](const QueuedUnit& unit) { return unit.work.rebuildsTables; };
  const auto rebuild = std::ranges::find_if(group, alone);
  const auto before = static_cast<std::size_t>(rebuild - group.begin());
  // One unit may make SQLite give up the whole transaction. The others go again, each alone, so
  // that a second such unit cannot disturb anybody.
  if (before > 0 && attempt(group.first(before)) == Attempt::transactionLost) {
    for (QueuedUnit& unit : group.first(before)) {
      if (!unit.outcome) attempt({&unit, 1});
    }
  }
  if (rebuild == group.end()) return;
  attemptAlone(*rebuild);
  commit(group.subspan(before + 1));
}

// SQLite's way to replace a table that others refer to (lang_altertable.html, 7): foreign keys are
// off meanwhile, which is possible outside a transaction only, and checked at the end.
void Writer::attemptAlone(QueuedUnit& unit) {
  if (auto off = connection_->run("PRAGMA foreign_keys=OFF"); !off) {
    unit.outcome = off;
    return;
  }
  attempt({&unit, 1});
  if (!connection_->run("PRAGMA foreign_keys=ON")) condition_.stop();
}

Result<void> Writer::checkForeignKeys() {
  std::string broken;
  Connection::Visit visit = [&](const Row& row) {
    broken = row.text(0);
    return false;
  };
  CORBEL_CHECK(connection_->run("PRAGMA foreign_key_check", {}, visit));
  if (broken.empty()) return {};
  return fail(ErrorCode::failedPrecondition, "rows would refer to something that does not exist",
              "table " + broken);
}

Writer::Attempt Writer::attempt(std::span<QueuedUnit> group) {
  const auto settle = [&](const Result<void>& outcome) {
    for (QueuedUnit& unit : group) {
      if (!unit.outcome) unit.outcome = outcome;
    }
    return Attempt::settled;
  };
  if (condition_.state() == StoreState::stopped) return settle(std::unexpected(stoppedError()));
  connection_->setDeadline(Deadline::never());
  if (auto begun = connection_->run("BEGIN IMMEDIATE"); !begun) return settle(begun);
  for (QueuedUnit& unit : group) {
    apply(unit);
    if (connection_->inTransaction()) continue;
    // What the others met, they met in a transaction that never was.
    for (QueuedUnit& other : group) {
      if (&other != &unit) other.outcome.reset();
    }
    return Attempt::transactionLost;
  }
  auto committed = condition_.state() == StoreState::stopped ? std::unexpected(stoppedError())
                                                             : connection_->run("COMMIT");
  if (!committed && connection_->inTransaction()) std::ignore = connection_->run("ROLLBACK");
  if (committed) condition_.committed();
  if (!committed && condition_.state() == StoreState::stopped)
    committed = std::unexpected(inDoubtError(committed.error().detail));
  ++groups_;
  return settle(committed);
}

void Writer::apply(QueuedUnit& unit) {
  if (unit.work.deadline.expired(clock_)) {
    unit.outcome = std::unexpected(expiredError());
    return;
  }
  connection_->setDeadline(unit.work.deadline);
  auto applied = applyInside(unit);
  connection_->setDeadline(Deadline::never());
  if (!applied) unit.outcome = std::move(applied);
}

Result<void> Writer::applyInside(QueuedUnit& unit) {
  CORBEL_CHECK(connection_->run("SAVEPOINT unit"));
  SqliteTransaction transaction(*connection_, clock_);
  Result<void> applied = unit.applyOn(transaction);
  if (!connection_->inTransaction()) {
    if (applied)
      applied = fail(ErrorCode::internal, "the change failed", "it went on after a fatal error");
    return applied;
  }
  connection_->setDeadline(Deadline::never());
  if (applied && unit.work.rebuildsTables) applied = checkForeignKeys();
  auto ended = applied ? Result<void>() : connection_->run("ROLLBACK TO unit");
  if (ended) ended = connection_->run("RELEASE unit");
  if (ended) return applied;
  // What it did can no longer be told from what the others did.
  std::ignore = connection_->run("ROLLBACK");
  return applied ? ended : applied;
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
  queue_.addTo(stats);
  stats.groups = groups_;
  stats.logPages = logPages_;
}

}  // namespace corbel::store
