// The server as this process sees it: connects, and waits a little longer after every failure.
#pragma once
#include <chrono>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "condition.h"
#include "contention.h"
#include "postgres_connection.h"
#include "postgres_target.h"
#include "store/store.h"

namespace corbel::store {

// Thread-safe.
class PostgresServer {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  PostgresServer(PostgresTarget target, const PostgresOptions& options, Condition& condition)
      : target_(std::move(target)), options_(options), condition_(condition) {}

  // unavailable at once while it waits after a failure; else as PostgresConnection::open, with
  // messages for the operator.
  Result<std::unique_ptr<PostgresConnection>> connect(std::chrono::milliseconds statementMax);
  // The same with messages for callers: PostgresConnection::noAnswer(), or that it takes nobody in.
  Result<std::unique_ptr<PostgresConnection>> reconnect(std::chrono::milliseconds statementMax);
  // Whether the server answers one that connects anew, asked by one thread for all that want to
  // know. An answer to a question of before `since` counts only when it was no.
  Result<void> ask(Moment since);
  // It did not answer ask(), and has not since.
  bool isGone() const;
  // False: it has been gone since that connection was made, so that the connection is dead, too.
  bool trusts(const PostgresConnection& connection) const;
  const std::string& name() const { return target_.name; }
  const PostgresOptions& options() const { return options_; }
  Condition& condition() { return condition_; }
  Contention& contention() { return contention_; }

 private:
  bool isThere(Moment since);
  bool mayTry() const;
  void failed(Moment begun);
  void goneSince(Moment begun);
  void succeeded();

  const PostgresTarget target_;
  const PostgresOptions options_;
  Condition& condition_;
  SystemRandom random_;
  Contention contention_{random_};
  Mutex asking_;
  Moment askedAt_ CORBEL_GUARDED_BY(asking_);
  std::optional<Error> answer_ CORBEL_GUARDED_BY(asking_);  // none: it answered
  mutable Mutex mutex_;
  bool gone_ CORBEL_GUARDED_BY(mutex_) = false;
  Moment goneAt_ CORBEL_GUARDED_BY(mutex_);
  std::chrono::milliseconds pause_ CORBEL_GUARDED_BY(mutex_){0};
  Moment notBefore_ CORBEL_GUARDED_BY(mutex_);
  Moment succeeded_ CORBEL_GUARDED_BY(mutex_);
};

// A time from half of `most` to `most`, so that those who failed together do not return together.
std::chrono::milliseconds withJitter(std::chrono::milliseconds most);

}  // namespace corbel::store
