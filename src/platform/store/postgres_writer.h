// The threads that write to a PostgreSQL server, each with a connection of its own: what is queued
// is shared out to them, and each commits its share as one transaction with a savepoint for every
// unit, so that many units share the way to the server and the sync of its log.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "postgres_connection.h"
#include "postgres_server.h"
#include "store/store.h"
#include "write_queue.h"

namespace corbel::store {

// What several do beside each other, and one alone. Thread-safe.
class Turnstile {
 public:
  void enter();
  void leave();
  void enterAlone();
  void leaveAlone();

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  int inside_ CORBEL_GUARDED_BY(mutex_) = 0;
  int waitingAlone_ CORBEL_GUARDED_BY(mutex_) = 0;
  bool alone_ CORBEL_GUARDED_BY(mutex_) = false;
};

// Thread-safe. The destructor commits what is queued.
class PostgresWriter {
 public:
  PostgresWriter(PostgresServer& server, std::unique_ptr<PostgresConnection> first,
                 const Clock& clock);
  ~PostgresWriter();

  void write(UnitOfWork unit);
  Result<void> writeAndWait(UnitOfWork unit);
  void addTo(DatabaseStats& stats) const;

 private:
  using Own = std::unique_ptr<PostgresConnection>;  // of one thread
  enum class Attempt : std::uint8_t {
    settled,
    again,  // nothing was done, and no unit has an outcome
  };

  void loop(Own own);
  void look(Own& own);
  void commit(Own& own, std::span<QueuedUnit> group);
  void commitAlone(Own& own, QueuedUnit& unit);
  // No unit has an outcome yet.
  Attempt attempt(Own& own, std::span<QueuedUnit> group);
  void apply(PostgresConnection& connection, QueuedUnit& unit, bool isOneOfMany);
  Result<void> resolve(Own& own, const PostgresConnection::CommitOutcome& outcome);
  Result<void> connect(Own& own);

  PostgresServer& server_;
  const Clock& clock_;
  WriteQueue queue_;
  Turnstile turnstile_;
  std::atomic<std::uint64_t> groups_ = 0;
  std::vector<std::thread> threads_;  // last: everything above exists before they run
};

}  // namespace corbel::store
