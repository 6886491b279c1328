// How many may ask the same thing at once, and how many may wait for their turn.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace corbel::resilience {

struct BulkheadOptions {
  std::size_t running = 16;
  std::size_t waiting = 64;
};

// A pure state machine; who waits, and until when, is up to the owner. Not thread-safe.
class Bulkhead {
 public:
  explicit Bulkhead(const BulkheadOptions& options) : options_(options) {}

  // Takes a place if one is free and nobody has waited longer.
  bool tryEnter();
  // A place in the queue, in the order of arrival. Nothing: that is full, too.
  using Turn = std::uint64_t;
  std::optional<Turn> enqueue();
  // Takes a place if it is that one's turn and a place is free; the turn ends then.
  bool tryEnter(Turn turn);
  void giveUp(Turn turn);
  // After tryEnter() that said true.
  void leave();

  std::size_t running() const { return running_; }
  std::size_t waiting() const { return queue_.size(); }

 private:
  const BulkheadOptions options_;
  std::size_t running_ = 0;
  Turn last_ = 0;
  std::deque<Turn> queue_;
};

}  // namespace corbel::resilience
