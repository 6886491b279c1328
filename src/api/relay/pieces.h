// Bodies on their way through the relay, one bounded piece at a time.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/result.h"
#include "http/message.h"

namespace corbel::relay {

// A request's body between the network thread that gets it and the thread that passes it on. Holds
// no copy: the next piece is asked for when this one was taken.
class Upload {
 public:
  // The client's side.
  void append(std::span<const std::byte> chunk, std::move_only_function<void(Result<void>)> done)
      CORBEL_EXCLUDES(mutex_);
  void end() CORBEL_EXCLUDES(mutex_);
  void abandon() CORBEL_EXCLUDES(mutex_);

  // The other side: as net::StreamingRequest::body. Blocks.
  std::optional<std::size_t> take(std::span<char> space) CORBEL_EXCLUDES(mutex_);
  // Nobody takes any more: what follows is thrown away.
  void ignoreRest() CORBEL_EXCLUDES(mutex_);

 private:
  enum class State : std::uint8_t { open, ended, abandoned, ignored };
  void acknowledge() CORBEL_EXCLUDES(mutex_);

  Mutex mutex_;
  std::condition_variable changed_;
  State state_ CORBEL_GUARDED_BY(mutex_) = State::open;
  std::span<const std::byte> chunk_ CORBEL_GUARDED_BY(mutex_);
  std::move_only_function<void(Result<void>)> done_ CORBEL_GUARDED_BY(mutex_);
};

// An answer's body, of any length.
class Download final : public http::BodySource {
 public:
  static constexpr std::size_t kBytes = std::size_t{256} * 1024;

  // The other process's side. Blocks while the client has not taken what came before; false: it is
  // gone.
  bool append(std::string_view piece) CORBEL_EXCLUDES(mutex_);
  // Nothing follows. `complete` is false where the answer was cut off.
  enum class End : std::uint8_t { complete, cutOff };
  void end(End end) CORBEL_EXCLUDES(mutex_);

  Pull pull(std::string& out, std::size_t atMost) override CORBEL_EXCLUDES(mutex_);
  void onReady(std::function<void()> ready) override CORBEL_EXCLUDES(mutex_);
  void gone() override CORBEL_EXCLUDES(mutex_);

 private:
  enum class State : std::uint8_t { open, ended, cutOff, gone };
  void tell() CORBEL_EXCLUDES(mutex_);

  Mutex mutex_;
  std::condition_variable taken_;
  State state_ CORBEL_GUARDED_BY(mutex_) = State::open;
  std::string waiting_ CORBEL_GUARDED_BY(mutex_);
  std::function<void()> ready_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::relay
