#include "relay/pieces.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace corbel::relay {

void Upload::append(std::span<const std::byte> chunk,
                    std::move_only_function<void(Result<void>)> done) {
  {
    const MutexLock lock(mutex_);
    if (state_ == State::open && !chunk.empty()) {
      chunk_ = chunk;
      done_ = std::move(done);
      changed_.notify_all();
      return;
    }
  }
  done({});
}

void Upload::end() {
  const MutexLock lock(mutex_);
  if (state_ == State::open) state_ = State::ended;
  changed_.notify_all();
}

void Upload::abandon() {
  {
    const MutexLock lock(mutex_);
    if (state_ == State::open) state_ = State::abandoned;
    chunk_ = {};
    changed_.notify_all();
  }
  acknowledge();
}

void Upload::ignoreRest() {
  {
    const MutexLock lock(mutex_);
    if (state_ == State::open) state_ = State::ignored;
    chunk_ = {};
  }
  acknowledge();
}

// Outside the lock: the next piece may come within.
void Upload::acknowledge() {
  std::move_only_function<void(Result<void>)> done;
  {
    const MutexLock lock(mutex_);
    done = std::exchange(done_, nullptr);
  }
  if (done) done({});
}

std::optional<std::size_t> Upload::take(std::span<char> space) {
  std::size_t taken = 0;
  {
    MutexLock lock(mutex_);
    while (state_ == State::open && chunk_.empty()) lock.wait(changed_);
    if (chunk_.empty()) return state_ == State::ended ? std::optional(taken) : std::nullopt;
    taken = std::min(space.size(), chunk_.size());
    std::memcpy(space.data(), chunk_.data(), taken);
    chunk_ = chunk_.subspan(taken);
    if (!chunk_.empty()) return taken;
  }
  acknowledge();
  return taken;
}

bool Download::append(std::string_view piece) {
  {
    MutexLock lock(mutex_);
    while (state_ == State::open && waiting_.size() >= kBytes) lock.wait(taken_);
    if (state_ != State::open) return false;
    waiting_ += piece;
  }
  tell();
  return true;
}

void Download::end(End end) {
  {
    const MutexLock lock(mutex_);
    if (state_ == State::open) state_ = end == End::complete ? State::ended : State::cutOff;
  }
  tell();
}

void Download::tell() {
  std::function<void()> ready;
  {
    const MutexLock lock(mutex_);
    ready = ready_;
  }
  if (ready) ready();
}

http::BodySource::Pull Download::pull(std::string& out, std::size_t atMost) {
  const MutexLock lock(mutex_);
  if (state_ == State::gone) return Pull::failed;
  if (waiting_.empty()) {
    if (state_ == State::ended) return Pull::end;
    return state_ == State::cutOff ? Pull::failed : Pull::later;
  }
  const std::size_t length = std::min(atMost, waiting_.size());
  out.append(waiting_, 0, length);
  waiting_.erase(0, length);
  taken_.notify_all();
  return Pull::more;
}

void Download::onReady(std::function<void()> ready) {
  const MutexLock lock(mutex_);
  ready_ = std::move(ready);
}

void Download::gone() {
  const MutexLock lock(mutex_);
  state_ = State::gone;
  ready_ = nullptr;
  taken_.notify_all();
}

}  // namespace corbel::relay
