// Brings the events of the outbox to one sink, on a thread of its own.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "events/events.h"
#include "store/store.h"
#include "telemetry/metrics.h"

namespace corbel::events {

class SinkLease;
struct Waiting;
struct Settled;

// Everything must outlive who uses it.
struct DispatchParts {
  store::Database& database;
  IdSource& ids;
  Random& random;
  const Clock& clock;
  metrics::Metrics& metrics;
};

// Targets of a sink may be shared out among several couriers: this one takes every target whose
// hash is `index` modulo `count`.
struct Lane {
  std::size_t index = 0;
  std::size_t count = 1;
};

// The work without the thread. For one thread at a time, but for stop() and status().
//
// Events wait for their target in the order of their positions and are published in waves in which
// each partition key stands once, so that order is kept whatever the sink does. After a failure the
// target waits (Retry), then one event at a time tries whether it is back: after kBreakerFailures
// the breaker counts as open. Targets that answer quickly go first, and again after each one that
// does not: a target that hangs holds them up for some seconds, however many do. An event is
// removed after its acknowledgement; a process that ends in between delivers it again. Of several
// processes with one database one at a time serves a lane: where it ends without a word, another
// goes on within SinkLease::kLength.
class Courier {
 public:
  static constexpr int kBatch = 256;
  static constexpr int kBreakerFailures = 5;
  static constexpr std::chrono::seconds kPoll{1};
  static constexpr std::chrono::seconds kPublish{5};  // one wave
  static constexpr std::chrono::seconds kCount{5};    // between looks at the backlog

  Courier(const DispatchParts& parts, EventSink& sink, Lane lane = {});
  ~Courier();

  // Delivers what is due and says when to come again, at the latest in kPoll.
  SteadyTime round();
  // No wave begins from now on: a round() under way ends after the one that it waits for.
  // Thread-safe.
  void stop() { stopping_ = true; }

  struct Status {
    int failures = 0;  // in a row, of the target that fails most
    std::string lastError;
    std::int64_t pending = 0;
    std::chrono::seconds lag{0};  // age of the oldest event that waits
  };
  // Thread-safe.
  Status status() const;

 private:
  // In the order in which targets are served.
  enum class Pace : std::uint8_t { quick, unknown, slow };
  struct Target {
    int failures = 0;
    SteadyTime notBefore;
    std::string lastError;
    Pace pace = Pace::unknown;
    SteadyTime served;
  };
  using Due = std::pair<const std::string, Target>*;
  struct Delivery;

  bool isMine(const std::string& target) const;
  std::vector<Due> dueTargets(SteadyTime& next);
  bool serveAndLearn(const std::string& name, Target& target, SteadyTime& next);
  Result<bool> serve(const std::string& name, Target& target);
  Result<std::vector<Waiting>> head(const std::string& target, int limit) const;
  void publishWaves(const std::string& name, Delivery& delivery);
  Settled settledAs(const Waiting& waiting, const Outcome& outcome) const;
  Result<void> record(const std::string& name, const Delivery& delivery);
  void learn(Target& target, const Delivery& delivery);
  void count();
  // The store bounds its own work, and a courier has nothing better to do than to wait for it.
  static Deadline patience() { return Deadline::never(); }

  const DispatchParts parts_;
  EventSink& sink_;
  const Lane lane_;
  const std::unique_ptr<SinkLease> lease_;
  const Retry retry_;
  std::map<std::string, Target> targets_;
  std::atomic<bool> stopping_ = false;
  SteadyTime nextCount_;
  metrics::Counter& delivered_;
  metrics::Counter& failed_;
  metrics::Counter& dead_;
  metrics::Counter& forgotten_;
  metrics::Gauge& pending_;
  metrics::Gauge& lag_;
  mutable Mutex mutex_;
  Status status_ CORBEL_GUARDED_BY(mutex_);
};

// A courier on a thread of its own.
class Dispatcher {
 public:
  Dispatcher(const DispatchParts& parts, EventSink& sink, Lane lane = {});
  // Ends the thread; a wave under way is awaited (Courier::kPublish).
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // There may be something to do. Thread-safe, never waits.
  void wake();
  // Begins nothing from now on. false: a wave was still under way at the deadline.
  bool stop(Deadline deadline);
  Courier::Status status() const { return courier_.status(); }
  std::string_view sink() const { return name_; }

 private:
  void run();

  const std::string name_;
  Courier courier_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool woken_ CORBEL_GUARDED_BY(mutex_) = false;
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  bool ended_ CORBEL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace corbel::events
