// The bytes of one connection in both directions, plain or encrypted.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/descriptor.h"

namespace corbel::http {

// Used by one thread. Never blocks.
class Stream {
 public:
  enum class Outcome : std::uint8_t {
    done,     // `bytes` were moved, at least one
    blocked,  // not now: epoll will tell
    closed,   // read: the peer sends nothing more; sendFile: the file has become shorter
    failed    // the connection cannot be used any more
  };
  struct Moved {
    Outcome outcome;
    std::size_t bytes = 0;
    bool drained = false;  // reads: there is nothing more until epoll tells
  };
  enum class More : std::uint8_t { follows, none };  // whether to wait for a fuller packet

  explicit Stream(Descriptor socket) : socket_(std::move(socket)) {}
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // To watch, and to read what is to be thrown away.
  int descriptor() const { return socket_.number(); }
  virtual Moved read(std::span<char> space) = 0;
  // At most two parts, not both empty.
  virtual Moved write(std::span<const iovec> parts, More more) = 0;
  virtual Moved sendFile(int file, std::uint64_t offset, std::size_t bytes) = 0;
  // Tells the peer that everything was sent; before the connection is closed.
  virtual void sayGoodbye() {}
  void shutdownWrite();
  void close() { socket_.close(); }
  // Reading may wait for room to write, and writing for something to read.
  virtual bool mixesDirections() const { return false; }

 protected:
  Descriptor socket_;
};

// Straight to the kernel.
class PlainStream final : public Stream {
 public:
  using Stream::Stream;
  Moved read(std::span<char> space) override;
  Moved write(std::span<const iovec> parts, More more) override;
  Moved sendFile(int file, std::uint64_t offset, std::size_t bytes) override;
};

}  // namespace corbel::http
