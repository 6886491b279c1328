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
#include "postgres_connection.h"
#include "postgres_target.h"
#include "store/store.h"

namespace corbel::store {

// Thread-safe.
class PostgresServer {
 public:
  PostgresServer(PostgresTarget target, const PostgresOptions& options, Condition& condition)
      : target_(std::move(target)), options_(options), condition_(condition) {}

  // unavailable at once while it waits after a failure; else as PostgresConnection::open.
  Result<std::unique_ptr<PostgresConnection>> connect(std::chrono::milliseconds statementMax);
  const std::string& name() const { return target_.name; }
  const PostgresOptions& options() const { return options_; }
  Condition& condition() { return condition_; }

 private:
  bool mayTry() const;
  void failed(std::chrono::steady_clock::time_point begun);
  void succeeded();

  const PostgresTarget target_;
  const PostgresOptions options_;
  Condition& condition_;
  mutable Mutex mutex_;
  std::chrono::milliseconds pause_ CORBEL_GUARDED_BY(mutex_){0};
  std::chrono::steady_clock::time_point notBefore_ CORBEL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point succeeded_ CORBEL_GUARDED_BY(mutex_);
};

// A time from half of `most` to `most`, so that those who failed together do not return together.
std::chrono::milliseconds withJitter(std::chrono::milliseconds most);

}  // namespace corbel::store
