// A growable block of bytes that are not initialised before they are written.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace corbel::http {

class ByteBuffer {
 public:
  // Readable bytes behind the last one, as vectorised parsers want them.
  static constexpr std::size_t kPadding = 64;

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() const { return {block_.get(), size_}; }
  std::span<char> space() { return {block_.get() + size_, capacity_ - size_}; }
  void wrote(std::size_t bytes) { size_ += bytes; }
  void clear() { size_ = 0; }
  void release() {
    block_.reset();
    size_ = capacity_ = 0;
  }

  // Throws std::bad_alloc.
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    char* old = block_.release();
    void* grown = std::realloc(old, capacity + kPadding);
    block_.reset(grown == nullptr ? old : static_cast<char*>(grown));
    if (grown == nullptr) throw std::bad_alloc();
    capacity_ = capacity;
  }
  // Needs the space.
  void append(std::string_view bytes) {
    std::memcpy(block_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // Makes the padding zeros.
  void pad() { std::memset(block_.get() + size_, 0, kPadding); }

 private:
  struct Free {
    void operator()(char* block) const { std::free(block); }
  };
  std::unique_ptr<char, Free> block_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace corbel::http
