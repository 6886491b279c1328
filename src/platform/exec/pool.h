// A fixed number of threads behind a bounded queue.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/trace.h"

namespace corbel::exec {

struct PoolOptions {
  std::string name;  // of the threads, and in metrics
  unsigned threads = 1;
  std::size_t queueBound = 1000;
  // Told how long each work waited in the queue, on the thread that is about to run it. Must not
  // block.
  std::function<void(std::chrono::nanoseconds)> onWait{};
  // Told what work has thrown (std::exception::what), on its thread. Must not throw itself.
  std::function<void(std::string_view)> onThrow{};
};

struct PoolStats {
  std::size_t queued = 0;
  std::size_t running = 0;
  std::uint64_t started = 0;
  std::uint64_t refused = 0;
};

// Thread-safe. Work never waits for other work of the same pool. What it throws (no memory, say)
// ends that work, not the process: it is destroyed, so a reply that it holds answers "internal".
class Pool {
 public:
  Pool(PoolOptions options, const Clock& clock);
  // As stop() with a deadline that has passed; then waits for the work that is running.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const std::string& name() const { return options_.name; }

  // Runs `work` soon on one of the threads, in order of arrival, under the caller's span. false:
  // the queue is full or the pool was stopped; `work` is then destroyed without being run, and the
  // caller answers "unavailable".
  bool tryRun(std::move_only_function<void()> work);

  // Refuses new work, runs what is queued until the deadline and destroys the rest. false: work was
  // destroyed or is still running. Not from a thread of this pool.
  bool stop(Deadline deadline);

  PoolStats stats() const;

 private:
  struct Waiting {
    std::move_only_function<void()> work;
    SteadyTime since;
    trace::Position position;
  };

  void work() noexcept;
  void run(Waiting& next);
  bool take(Waiting& next);
  void finish();

  const PoolOptions options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable drained_;
  std::deque<Waiting> queue_ CORBEL_GUARDED_BY(mutex_);
  std::size_t idle_ CORBEL_GUARDED_BY(mutex_) = 0;
  bool stopped_ CORBEL_GUARDED_BY(mutex_) = false;
  PoolStats stats_ CORBEL_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace corbel::exec
