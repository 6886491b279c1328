#include "exec/periodic.h"

#include <utility>

namespace corbel::exec {

Periodic::Periodic(std::chrono::milliseconds every, std::function<void()> work)
    : every_(every), work_(std::move(work)), thread_([this] { run(); }) {}

Periodic::~Periodic() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
  }
  thread_.join();
}

void Periodic::run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      const auto next = std::chrono::steady_clock::now() + every_;
      while (!stopping_ && lock.waitUntil(stopped_, next)) {
      }
      if (stopping_) return;
    }
    work_();
  }
}

}  // namespace corbel::exec
