// Calls functions when their time has come, on one thread for all of them.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <thread>

#include "base/deadline.h"
#include "base/mutex.h"

namespace corbel::exec {

// Thread-safe.
class Timer {
 public:
  using Work = std::move_only_function<void()>;

  explicit Timer(std::size_t bound);
  // Destroys what has not come; waits for a call under way.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // `work` must be short (hand the rest to a pool) and not throw. False: `bound` wait already, or
  // stop() was called; `work` is destroyed then.
  bool at(Deadline when, Work work);
  // As the destructor. Not from `work`.
  void stop();

 private:
  void run();

  const std::size_t bound_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::multimap<SteadyTime, Work> waiting_ CORBEL_GUARDED_BY(mutex_);
  bool stopped_ CORBEL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace corbel::exec
