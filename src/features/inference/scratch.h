// Uninitialised working memory of one call, aligned for vector registers; on the stack while it is
// small.
#pragma once
#include <cstddef>
#include <memory>

namespace corbel::inference {

template <class T, std::size_t kInline>
class Scratch {
 public:
  explicit Scratch(std::size_t size) {
    if (size > kInline)
      large_ = std::make_unique_for_overwrite<Line[]>((size * sizeof(T) + sizeof(Line) - 1) /
                                                      sizeof(Line));
  }
  T* data() { return large_ ? reinterpret_cast<T*>(large_.get()) : small_; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  alignas(64) T small_[kInline];
  std::unique_ptr<Line[]> large_;
};

}  // namespace corbel::inference
