// What a connection has read and not used yet. One block of fixed size, so that what was shown of a
// request stays where it is while the request is answered.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/limits.h"
#include "byte_buffer.h"

namespace corbel::http {

class InputBuffer {
 public:
  // A whole head, and as much again to read a body through.
  static constexpr std::size_t kCapacity = 2 * limits::kHeaderBytes;

  std::string_view unread() const { return {block_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  void consume(std::size_t bytes) { begin_ += bytes; }

  // Keeps everything in front of unread() where it is, until unpin().
  void pin() { pinned_ = begin_; }
  void unpin() { pinned_ = 0; }
  // Whether unread() can grow to `bytes` without moving.
  bool fits(std::size_t bytes) const { return bytes <= kCapacity - begin_; }

  // Room for more, behind unread(), which may move down to what is pinned. Empty only when the
  // block is full.
  std::span<char> space() {
    // Not zeroed: pages that no request reaches cost no memory.
    if (!block_) {
      block_ = std::make_unique_for_overwrite<char[]>(kCapacity + ByteBuffer::kPadding);
      std::memset(block_.get() + kCapacity, 0, ByteBuffer::kPadding);
    }
    if (begin_ > pinned_ && (begin_ == end_ || end_ == kCapacity)) {
      std::memmove(block_.get() + pinned_, block_.get() + begin_, end_ - begin_);
      end_ -= begin_ - pinned_;
      begin_ = pinned_;
    }
    return {block_.get() + end_, kCapacity - end_};
  }
  void received(std::size_t bytes) { end_ += bytes; }

  // Gives the memory back until space() is called again. Only when empty and nothing is shown of
  // it.
  void release() {
    block_.reset();
    begin_ = end_ = pinned_ = 0;
  }

 private:
  std::unique_ptr<char[]> block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t pinned_ = 0;
};

}  // namespace corbel::http
