// std::mutex with the annotations that let clang's -Wthread-safety prove lock use at compile time.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

#define CORBEL_CAPABILITY(x) __attribute__((capability(x)))
#define CORBEL_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define CORBEL_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define CORBEL_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define CORBEL_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define CORBEL_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define CORBEL_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))

namespace corbel {

class CORBEL_CAPABILITY("mutex") Mutex {
 public:
  void lock() CORBEL_ACQUIRE() { mutex_.lock(); }
  void unlock() CORBEL_RELEASE() { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds the mutex for a scope; may wait on a condition while it does.
class CORBEL_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CORBEL_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() CORBEL_RELEASE() {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  // One wake-up, which may be spurious: call in a loop over the condition.
  void wait(std::condition_variable& condition) { condition.wait(lock_); }
  // false: `until` has passed.
  bool waitUntil(std::condition_variable& condition, std::chrono::steady_clock::time_point until) {
    return condition.wait_until(lock_, until) == std::cv_status::no_timeout;
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace corbel
