// A number of bytes that many share: what one has taken, no other can take.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace corbel::http {

// Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bytes) : bytes_(bytes) {}

  // One taker's part, given back when it goes. Used by one thread at a time.
  class Share {
   public:
    explicit Share(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { release(); }

    // Makes the share at least `bytes`. false: others have the rest, the share is as before.
    bool grow(std::size_t bytes) {
      if (bytes <= taken_) return true;
      if (!budget_->take(bytes - taken_)) return false;
      taken_ = bytes;
      return true;
    }
    void release() { budget_->taken_ -= std::exchange(taken_, 0); }

   private:
    std::shared_ptr<ByteBudget> budget_;
    std::size_t taken_ = 0;
  };

  std::size_t taken() const { return taken_; }

 private:
  bool take(std::size_t bytes) {
    auto taken = taken_.load();
    do {
      if (bytes > bytes_ - std::min(taken, bytes_)) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + bytes));
    return true;
  }

  const std::size_t bytes_;
  std::atomic<std::size_t> taken_ = 0;
};

}  // namespace corbel::http
