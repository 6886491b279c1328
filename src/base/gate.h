// Graceful stop as a type. Background work enters the gate; the owner closes it and waits until all
// work has left.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <utility>

#include "base/deadline.h"
#include "base/mutex.h"

namespace corbel {

// Thread-safe. Must outlive its passes.
class Gate {
 public:
  // Held while work is under way. Movable; false when the gate was closed.
  class Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    friend class Gate;
    explicit Pass(Gate* gate) : gate_(gate) {}
    Gate* gate_ = nullptr;
  };

  // An empty pass once closed.
  Pass enter();
  // Refuses newcomers from now on and waits for those inside. false: some were still inside at the
  // deadline.
  bool close(Deadline deadline);
  bool closed() const;

 private:
  void leave();

  mutable Mutex mutex_;
  std::condition_variable emptied_;
  std::size_t inside_ CORBEL_GUARDED_BY(mutex_) = 0;
  bool closed_ CORBEL_GUARDED_BY(mutex_) = false;
};

}  // namespace corbel
