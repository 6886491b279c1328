#include "exec/pool.h"

#include <pthread.h>

#include <exception>
#include <utility>

namespace corbel::exec {
namespace {

constexpr std::size_t kThreadNameLength = 15;  // pthread_setname_np(3)

}  // namespace

Pool::Pool(PoolOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {
  threads_.reserve(options_.threads);
  for (unsigned i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() { stop(Deadline::at(SteadyTime())); }

bool Pool::tryRun(std::move_only_function<void()> work) {
  MutexLock lock(mutex_);
  if (stopped_ || queue_.size() >= options_.queueBound) {
    ++stats_.refused;
    return false;
  }
  queue_.push_back({std::move(work), clock_.steady(), trace::current()});
  if (idle_ > 0) arrived_.notify_one();
  return true;
}

bool Pool::stop(Deadline deadline) {
  std::deque<Waiting> dropped;  // destroyed after the lock: work may hold anything
  MutexLock lock(mutex_);
  stopped_ = true;
  arrived_.notify_all();
  while (!queue_.empty() || stats_.running > 0) {
    if (!lock.waitUntil(drained_, deadline.time())) break;
  }
  const bool finished = queue_.empty() && stats_.running == 0;
  dropped.swap(queue_);
  return finished;
}

PoolStats Pool::stats() const {
  MutexLock lock(mutex_);
  PoolStats stats = stats_;
  stats.queued = queue_.size();
  return stats;
}

void Pool::work() noexcept {
  pthread_setname_np(pthread_self(), options_.name.substr(0, kThreadNameLength).c_str());
  for (Waiting next; take(next);) {
    if (options_.onWait) options_.onWait(clock_.steady() - next.since);
    run(next);
    finish();
  }
}

void Pool::run(Waiting& next) {
  const trace::Scope scope(next.position);
  try {
    next.work();
  } catch (const std::exception& exception) {
    if (options_.onThrow) options_.onThrow(exception.what());
  }
  next.work = nullptr;
}

bool Pool::take(Waiting& next) {
  MutexLock lock(mutex_);
  ++idle_;
  while (queue_.empty() && !stopped_) lock.wait(arrived_);
  --idle_;
  if (queue_.empty()) return false;
  next = std::move(queue_.front());
  queue_.pop_front();
  ++stats_.running;
  ++stats_.started;
  return true;
}

void Pool::finish() {
  MutexLock lock(mutex_);
  --stats_.running;
  if (stopped_ && stats_.running == 0 && queue_.empty()) drained_.notify_all();
}

}  // namespace corbel::exec
