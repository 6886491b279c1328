// Whether the store may write. Shared by the writer, which sets it, and everybody who asks.
#pragma once
#include <atomic>

#include "store/store.h"

namespace corbel::store {

// Thread-safe. Stopped is for ever.
class Condition {
 public:
  StoreState state() const { return state_.load(); }
  void stop() { state_ = StoreState::stopped; }
  void committed() { change(StoreState::full, StoreState::ok); }
  void foundNoRoom() { change(StoreState::ok, StoreState::full); }
  void lost() {
    change(StoreState::ok, StoreState::unreachable);
    change(StoreState::full, StoreState::unreachable);
  }
  void reached() { change(StoreState::unreachable, StoreState::ok); }

 private:
  void change(StoreState from, StoreState to) {
    if (state_.load(std::memory_order_relaxed) == from) state_.compare_exchange_strong(from, to);
  }
  std::atomic<StoreState> state_ = StoreState::ok;
};

}  // namespace corbel::store
