// A point in time after which work is worth nothing. Passed by value down the call chain; every
// wait takes one.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "base/clock.h"
#include "base/mutex.h"

namespace corbel {

class Deadline {
 public:
  static Deadline after(const Clock& clock, std::chrono::milliseconds duration) {
    return Deadline(clock.steady() + duration);
  }
  static Deadline at(SteadyTime time) { return Deadline(time); }
  // For work that somebody else bounds (a test, a child process with its own limit).
  static Deadline never() { return Deadline(SteadyTime::max()); }

  SteadyTime time() const { return time_; }
  bool expired(const Clock& clock) const { return clock.steady() >= time_; }
  // Never negative.
  std::chrono::milliseconds remaining(const Clock& clock) const {
    if (time_ == SteadyTime::max()) return std::chrono::milliseconds::max();
    return std::max(std::chrono::milliseconds(0),
                    std::chrono::duration_cast<std::chrono::milliseconds>(time_ - clock.steady()));
  }
  Deadline earlier(Deadline other) const { return Deadline(std::min(time_, other.time_)); }

 private:
  explicit Deadline(SteadyTime time) : time_(time) {}
  SteadyTime time_;
};

// One wake-up, which may be spurious: call in a loop over the condition. false: the deadline has
// passed on `clock`, which alone decides; a clock that a test moves is looked at when the time that
// was left has gone by.
inline bool waitUntil(MutexLock& lock, std::condition_variable& condition, Deadline deadline,
                      const Clock& clock) {
  if (deadline.time() == SteadyTime::max()) {
    lock.wait(condition);
    return true;
  }
  const auto left = deadline.time() - clock.steady();
  if (left <= SteadyTime::duration::zero()) return false;
  lock.waitUntil(condition, std::chrono::steady_clock::now() +
                                std::min<SteadyTime::duration>(left, std::chrono::hours(1)));
  return !deadline.expired(clock);
}

}  // namespace corbel
