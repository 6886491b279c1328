// Uninitialised working memory of one call: on the stack while it is small.
#pragma once
#include <cstddef>
#include <memory>

namespace corbel::inference {

template <class T, std::size_t kInline>
class Scratch {
 public:
  explicit Scratch(std::size_t size) {
    if (size > kInline) large_ = std::make_unique_for_overwrite<T[]>(size);
  }
  T* data() { return large_ ? large_.get() : small_; }

 private:
  alignas(64) T small_[kInline];
  std::unique_ptr<T[]> large_;
};

}  // namespace corbel::inference
