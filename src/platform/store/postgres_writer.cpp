#include "postgres_writer.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "in_doubt.h"
#include "postgres_session.h"

namespace corbel::store {
namespace {

using std::chrono::milliseconds;

// A snapshot of a PostgreSQL transaction lists 64 subtransactions; beyond that every other session
// pays.
constexpr std::size_t kGroupMax = 64;
// How often an idle writer looks whether its connection is still there.
constexpr milliseconds kLook{500};
// Of one unit, after its group or itself met a conflict or a lost connection. Two processes that
// append to one chain without pause meet in every other unit.
constexpr int kAttempts = 12;
constexpr milliseconds kPause{20};
// How long the outcome of a commit is sought after its answer was lost: somebody waits for it.
constexpr milliseconds kResolve{500};
// Of units without a deadline, such as migrations: nobody waits for them with a stopwatch.
constexpr milliseconds kLongLockMax{5'000};

}  // namespace

void Turnstile::enter() {
  MutexLock lock(mutex_);
  while (alone_ || waitingAlone_ > 0) lock.wait(changed_);
  ++inside_;
}

void Turnstile::leave() {
  MutexLock lock(mutex_);
  --inside_;
  changed_.notify_all();
}

void Turnstile::enterAlone() {
  MutexLock lock(mutex_);
  ++waitingAlone_;
  while (alone_ || inside_ > 0) lock.wait(changed_);
  --waitingAlone_;
  alone_ = true;
}

void Turnstile::leaveAlone() {
  MutexLock lock(mutex_);
  alone_ = false;
  changed_.notify_all();
}

PostgresWriter::PostgresWriter(PostgresServer& server, std::unique_ptr<PostgresConnection> first,
                               const Clock& clock)
    : server_(server), clock_(clock), queue_(server.options().queue, clock) {
  for (int i = 0; i < server.options().writers; ++i)
    threads_.emplace_back(
        [this, own = std::exchange(first, nullptr)]() mutable { loop(std::move(own)); });
}

PostgresWriter::~PostgresWriter() {
  queue_.close();
  for (std::thread& thread : threads_) thread.join();
}

void PostgresWriter::write(UnitOfWork unit) {
  queue_.write(std::move(unit), [] { return Result<void>(); });
}

Result<void> PostgresWriter::writeAndWait(UnitOfWork unit) {
  return queue_.writeAndWait(std::move(unit), [] { return Result<void>(); });
}

void PostgresWriter::loop(Own own) {
  pthread_setname_np(pthread_self(), "db-write");
  queue_.thisThreadWrites();
  const auto writers = static_cast<std::size_t>(server_.options().writers);
  for (;;) {
    auto group = queue_.take(kGroupMax, writers, kLook);
    if (group.empty() && queue_.closed()) return;
    if (group.empty()) {
      look(own);
      continue;
    }
    commit(own, group);
    queue_.answer(group);
  }
}

// So that the state is true also while nobody writes, and healing needs nobody to try. A new
// connection tells by itself that the server is there; one that never broke, while somebody could
// not make another, has to be asked.
void PostgresWriter::look(Own& own) {
  Condition& condition = server_.condition();
  const bool wasThere = own != nullptr && server_.trusts(*own) && own->isAlive();
  if (!wasThere) {
    if (own != nullptr || condition.state() != StoreState::ok) std::ignore = connect(own);
    return;
  }
  if (condition.state() != StoreState::unreachable) return;
  own->setStatementMax(kLook);
  if (own->run("SELECT 1")) condition.reached();
  own->setStatementMax(server_.options().writeMax);
}

Result<void> PostgresWriter::connect(Own& own) {
  if (own != nullptr && server_.trusts(*own) && own->isAlive()) return {};
  own = nullptr;
  CORBEL_TRY(own, server_.reconnect(server_.options().writeMax));
  return {};
}

void PostgresWriter::commit(Own& own, std::span<QueuedUnit> group) {
  turnstile_.enter();
  const Attempt attempted = attempt(own, group);
  turnstile_.leave();
  if (attempted == Attempt::settled) return;
  // Alone in this process, so that only another one can be in the way again.
  turnstile_.enterAlone();
  for (QueuedUnit& unit : group) commitAlone(own, unit);
  turnstile_.leaveAlone();
}

void PostgresWriter::commitAlone(Own& own, QueuedUnit& unit) {
  for (int i = 0; i < kAttempts; ++i) {
    if (attempt(own, {&unit, 1}) == Attempt::settled) return;
    std::this_thread::sleep_for(withJitter(kPause));
  }
  unit.outcome = own == nullptr
                     ? std::unexpected(PostgresConnection::noAnswer("tried too often"))
                     : fail(ErrorCode::aborted, "it was changed at the same time; try again");
}

PostgresWriter::Attempt PostgresWriter::attempt(Own& own, std::span<QueuedUnit> group) {
  const auto settle = [&](const Result<void>& outcome) {
    for (QueuedUnit& unit : group) {
      if (!unit.outcome) unit.outcome = outcome;
    }
    return Attempt::settled;
  };
  const auto again = [&] {
    // Before the commit: nothing was done.
    if (own->lost() && server_.isGone()) {
      own.reset();
      return settle(std::unexpected(PostgresConnection::noAnswer("the server does not answer")));
    }
    own->lost() ? own.reset() : own->endQuietly();
    for (QueuedUnit& unit : group) unit.outcome.reset();
    return Attempt::again;
  };
  if (auto connected = connect(own); !connected) return settle(connected);
  own->forgetTrouble();
  own->queueBegin();
  const auto isBestEffort = [](const QueuedUnit& unit) {
    return unit.work.unitClass == UnitClass::bestEffort;
  };
  if (std::ranges::all_of(group, isBestEffort)) own->queue("SET LOCAL synchronous_commit TO off");
  for (QueuedUnit& unit : group) {
    apply(*own, unit, group.size() > 1);
    if (own->lost() || own->trouble() == PostgresConnection::Trouble::conflict) return again();
  }
  const auto isDone = [](const QueuedUnit& unit) { return unit.outcome.has_value(); };
  if (std::ranges::all_of(group, isDone)) {
    own->endQuietly();
    return Attempt::settled;
  }
  auto outcome = own->commit();
  ++groups_;
  switch (outcome.commit) {
    case PostgresConnection::Commit::committed:
      server_.condition().reached();
      server_.condition().committed();
      return settle({});
    case PostgresConnection::Commit::inDoubt:
      return settle(resolve(own, outcome));
    case PostgresConnection::Commit::refused:
      break;
  }
  // Rules that are checked at the end are somebody's alone, but whose?
  const bool conflict = own->trouble() == PostgresConnection::Trouble::conflict;
  if (conflict || group.size() > 1) return again();
  if (outcome.error.code == ErrorCode::insufficientStorage) server_.condition().foundNoRoom();
  return settle(std::unexpected(std::move(outcome.error)));
}

void PostgresWriter::apply(PostgresConnection& connection, QueuedUnit& unit, bool isOneOfMany) {
  if (unit.work.deadline.expired(clock_)) {
    unit.outcome = std::unexpected(expiredError());
    return;
  }
  const milliseconds most = server_.options().writeMax;
  const milliseconds left =
      std::max(std::min(unit.work.deadline.remaining(clock_), most), milliseconds(1));
  // What is set holds to the end of the savepoint, or of the transaction.
  const bool isPatient = unit.work.deadline.time() == SteadyTime::max();
  if (isOneOfMany) connection.queue("SAVEPOINT unit");
  if (isPatient)
    connection.queue(fmt::format("SET LOCAL lock_timeout TO {}", kLongLockMax.count()));
  if (unit.work.rebuildsTables) {
    connection.queue("SET LOCAL statement_timeout TO 0");
    connection.setStatementMax(milliseconds(0));
  } else if (left < most) {
    connection.queue(fmt::format("SET LOCAL statement_timeout TO {}", left.count()));
  }
  connection.setPatience(patienceUntil(unit.work.deadline, clock_));
  PostgresTransaction transaction(
      PostgresSession(connection, server_.contention(), unit.work.deadline, clock_));
  Result<void> applied = unit.applyOn(transaction);
  connection.setStatementMax(most);
  connection.setPatience(std::chrono::steady_clock::time_point::max());
  if (isOneOfMany && applied) {
    if (left < most || unit.work.rebuildsTables)
      connection.queue(fmt::format("SET LOCAL statement_timeout TO {}", most.count()));
    if (isPatient)
      connection.queue(
          fmt::format("SET LOCAL lock_timeout TO {}", server_.options().lockMax.count()));
  } else if (isOneOfMany) {
    connection.queue("ROLLBACK TO SAVEPOINT unit");
  }
  if (isOneOfMany) connection.queue("RELEASE SAVEPOINT unit");
  if (!applied) {
    if (applied.error().code == ErrorCode::insufficientStorage) server_.condition().foundNoRoom();
    unit.outcome = std::move(applied);
  }
}

// The server remembers what became of a transaction.
Result<void> PostgresWriter::resolve(Own& own, const PostgresConnection::CommitOutcome& outcome) {
  own = nullptr;
  const Deadline deadline = Deadline::after(clock_, kResolve);
  const bool mayTell = !outcome.transaction.empty() && !outcome.silent;
  while (mayTell && !deadline.expired(clock_)) {
    std::this_thread::sleep_for(withJitter(kPause));
    if (!connect(own)) continue;
    const auto fate = own->fateOf(outcome.transaction, outcome.life);
    if (!fate) continue;
    if (*fate == PostgresConnection::Fate::unknown) break;
    if (*fate == PostgresConnection::Fate::committed) return {};
    return std::unexpected(PostgresConnection::noAnswer("the server went away before the commit"));
  }
  return std::unexpected(inDoubtError(outcome.error.detail));
}

void PostgresWriter::addTo(DatabaseStats& stats) const {
  queue_.addTo(stats);
  stats.groups = groups_;
}

}  // namespace corbel::store
