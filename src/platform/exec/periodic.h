// Does something again and again, on a thread of its own.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace corbel::exec {

class Periodic {
 public:
  // The first time after `every`; the next one so long after the end of the last. `work` must not
  // throw.
  Periodic(std::chrono::milliseconds every, std::function<void()> work);
  // Begins nothing more and waits for work under way.
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  void run();

  const std::chrono::milliseconds every_;
  const std::function<void()> work_;
  Mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace corbel::exec
