#include "event_loop.h"
#include "base/descriptor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/mutex.h"
#include "base/result.h"

namespace corbel::http {
namespace {

constexpr int kEventsPerRound = 128;

thread_local const EventLoop* loopOfThisThread = nullptr;

// Short of memory, one connection or task is lost, and not the thread of all.
void runGuarded(auto&& work) {
  try {
    work();
  } catch (...) {  // NOLINT(bugprone-empty-catch): there is nobody to tell
  }
}

}  // namespace

Result<std::shared_ptr<EventLoop>> EventLoop::create(const Clock& clock) {
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  Descriptor wakeUp(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  if (!epoll || !wakeUp ||
      ::epoll_ctl(epoll.number(), EPOLL_CTL_ADD, wakeUp.number(), &event) != 0) {
    return fail(ErrorCode::internal,
                "cannot start a network thread: raise the limit of open files (ulimit -n)",
                std::generic_category().message(errno));
  }
  return std::shared_ptr<EventLoop>(new EventLoop(clock, std::move(epoll), std::move(wakeUp)));
}

EventLoop::EventLoop(const Clock& clock, Descriptor epoll, Descriptor wakeUp)
    : clock_(clock), epoll_(std::move(epoll)), wakeUp_(std::move(wakeUp)), now_(clock.steady()) {}

bool EventLoop::watch(int descriptor, std::uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  return ::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void EventLoop::unwatch(int descriptor) {
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, descriptor, nullptr);
}

bool EventLoop::post(Task task) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    if (ended_) return false;
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (first) wake();
  return true;
}

bool EventLoop::onThisThread() const { return loopOfThisThread == this; }

void EventLoop::run(std::chrono::milliseconds interval, const std::function<void()>& tick) {
  loopOfThisThread = this;
  std::array<epoll_event, kEventsPerRound> events;
  auto nextTick = std::chrono::steady_clock::now() + interval;
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.number(), events.data(), kEventsPerRound,
                                   static_cast<int>(interval.count()));
    now_ = clock_.steady();
    for (int i = 0; i < count; ++i) {
      if (auto* watcher = static_cast<Watcher*>(events[i].data.ptr)) {
        runGuarded([&] { watcher->onEvents(events[i].events); });
      }
    }
    runTasks();
    if (const auto time = std::chrono::steady_clock::now(); time >= nextTick) {
      runLater();
      runGuarded(tick);
      nextTick = time + interval;
    }
    kept_.clear();
  }
  finish();
  loopOfThisThread = nullptr;
}

void EventLoop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wakeUp_.number(), &one, sizeof one);
}

// The eventfd is never read: it reports edges, and its counter does not overflow in the life of a
// machine.
void EventLoop::runTasks() {
  {
    MutexLock lock(mutex_);
    running_.swap(tasks_);
  }
  for (Task& task : running_) runGuarded(task);
  running_.clear();
}

void EventLoop::runLater() {
  for (Task& task : std::exchange(later_, {})) runGuarded(task);
}

// What was accepted is run.
void EventLoop::finish() {
  {
    MutexLock lock(mutex_);
    ended_ = true;
  }
  runTasks();
  later_.clear();
  kept_.clear();
}

}  // namespace corbel::http
