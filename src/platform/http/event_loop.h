// One thread's wait for sockets and for work from other threads (epoll, edge-triggered).
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/mutex.h"
#include "base/result.h"

namespace corbel::http {

// run() belongs to one thread, and so do watch(), unwatch(), keep() and atNextTick() while it runs;
// post(), stop() and onThisThread() may be called from any, also after the end of run(). What a
// watcher or a task throws ends that one call: who must clean up catches it himself.
class EventLoop {
 public:
  using Task = std::move_only_function<void()>;

  class Watcher {
   public:
    virtual ~Watcher() = default;
    // `events` as epoll reports them (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP).
    virtual void onEvents(std::uint32_t events) = 0;
  };

  // internal: the kernel has no descriptors left.
  static Result<std::shared_ptr<EventLoop>> create(const Clock& clock);

  // Reports `events` of `descriptor` until unwatch(). false: the kernel refused.
  bool watch(int descriptor, std::uint32_t events, Watcher& watcher);
  // Before `descriptor` is closed, which alone ends nothing: a process that is just being spawned
  // has a copy of every descriptor, and the kernel reports until the last is closed. Events of the
  // current round are still reported: keep() the watcher.
  void unwatch(int descriptor);
  // Keeps an object that events of the current round may still name until the round is over.
  void keep(std::shared_ptr<void> object) { kept_.push_back(std::move(object)); }

  // Runs `task` on the loop's thread, in order. false: the loop has ended, `task` was dropped.
  bool post(Task task) CORBEL_EXCLUDES(mutex_);
  // Runs `task` before the next tick; dropped when the loop ends before.
  void atNextTick(Task task) { later_.push_back(std::move(task)); }
  bool onThisThread() const;

  // Until stop(). Calls `tick` about every `interval` of real time.
  void run(std::chrono::milliseconds interval, const std::function<void()>& tick);
  void stop() { stopping_ = true, wake(); }

  // The time at which this round's events were reported.
  SteadyTime now() const { return now_; }

 private:
  EventLoop(const Clock& clock, Descriptor epoll, Descriptor wakeUp);
  void wake();
  void runTasks() CORBEL_EXCLUDES(mutex_);
  void runLater();
  void finish() CORBEL_EXCLUDES(mutex_);

  const Clock& clock_;
  Descriptor epoll_;
  Descriptor wakeUp_;
  SteadyTime now_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::shared_ptr<void>> kept_;
  std::vector<Task> later_;
  std::vector<Task> running_;
  Mutex mutex_;
  std::vector<Task> tasks_ CORBEL_GUARDED_BY(mutex_);
  bool ended_ CORBEL_GUARDED_BY(mutex_) = false;
};

}  // namespace corbel::http
