#include "http/exchange.h"

#include <functional>
#include <utility>

#include "base/mutex.h"

namespace corbel::http {

void Exchange::onGone(std::move_only_function<void()> stop) {
  {
    const MutexLock lock(clientMutex_);
    watchesClient_ = true;
    // Checked after the announcement: complete() either sees it or is seen here.
    if (completed_) return;
    if (!gone_) {
      std::swap(stop_, stop);
      return;
    }
  }
  stop();
}

void Exchange::tellGone() {
  std::move_only_function<void()> stop;
  {
    const MutexLock lock(clientMutex_);
    watchesClient_ = true;
    gone_ = true;
    std::swap(stop_, stop);
  }
  if (stop) stop();
}

void Exchange::forgetClient() {
  std::move_only_function<void()> stop;  // dropped outside of the lock: it may hold anything
  const MutexLock lock(clientMutex_);
  watchesClient_ = false;
  gone_ = false;
  std::swap(stop_, stop);
}

}  // namespace corbel::http
