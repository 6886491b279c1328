#include "base/gate.h"

namespace corbel {

Gate::Pass Gate::enter() {
  MutexLock lock(mutex_);
  if (closed_) return {};
  ++inside_;
  return Pass(this);
}

bool Gate::close(Deadline deadline) {
  MutexLock lock(mutex_);
  closed_ = true;
  while (inside_ > 0) {
    if (!lock.waitUntil(emptied_, deadline.time()) && inside_ > 0) return false;
  }
  return true;
}

bool Gate::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

void Gate::leave() {
  MutexLock lock(mutex_);
  if (--inside_ == 0) emptied_.notify_all();
}

}  // namespace corbel
