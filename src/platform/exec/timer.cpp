#include "exec/timer.h"

#include <utility>

namespace corbel::exec {

Timer::Timer(std::size_t bound) : bound_(bound), thread_([this] { run(); }) {}

Timer::~Timer() { stop(); }

bool Timer::at(Deadline when, Work work) {
  const MutexLock lock(mutex_);
  if (stopped_ || waiting_.size() >= bound_) return false;
  const auto place = waiting_.emplace(when.time(), std::move(work));
  if (place == waiting_.begin()) changed_.notify_all();
  return true;
}

void Timer::stop() {
  std::multimap<SteadyTime, Work> forgotten;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    forgotten.swap(waiting_);
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Timer::run() {
  for (;;) {
    Work due;
    {
      MutexLock lock(mutex_);
      while (!stopped_ && waiting_.empty()) lock.wait(changed_);
      if (stopped_) return;
      const auto next = waiting_.begin();
      if (std::chrono::steady_clock::now() < next->first) {
        lock.waitUntil(changed_, next->first);
        continue;
      }
      due = std::move(next->second);
      waiting_.erase(next);
    }
    due();
  }
}

}  // namespace corbel::exec
