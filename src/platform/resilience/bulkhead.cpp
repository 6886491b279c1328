#include "resilience/bulkhead.h"

namespace corbel::resilience {

bool Bulkhead::tryEnter() {
  if (running_ >= options_.running || !queue_.empty()) return false;
  ++running_;
  return true;
}

std::optional<Bulkhead::Turn> Bulkhead::enqueue() {
  if (queue_.size() >= options_.waiting) return std::nullopt;
  queue_.push_back(++last_);
  return last_;
}

bool Bulkhead::tryEnter(Turn turn) {
  if (running_ >= options_.running || queue_.empty() || queue_.front() != turn) return false;
  queue_.pop_front();
  ++running_;
  return true;
}

void Bulkhead::giveUp(Turn turn) { std::erase(queue_, turn); }

void Bulkhead::leave() { --running_; }

}  // namespace corbel::resilience
