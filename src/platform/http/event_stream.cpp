#include "http/event_stream.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "http/message.h"

namespace corbel::http {
namespace {

void appendField(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += '\n';
}

// Up to the first line break; moves `rest` behind it.
std::string_view takeLine(std::string_view& rest) {
  const auto end = std::min(rest.find_first_of("\r\n"), rest.size());
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end);
  if (rest.starts_with("\r\n")) {
    rest.remove_prefix(2);
  } else if (!rest.empty()) {
    rest.remove_prefix(1);
  }
  return line;
}

std::string_view firstLine(std::string_view text) { return takeLine(text); }

}  // namespace

void appendEvent(std::string& out, const Event& event) {
  if (event.retry) appendField(out, "retry", std::to_string(event.retry->count()));
  if (!event.id.empty() && !event.id.contains('\0')) appendField(out, "id", firstLine(event.id));
  if (!event.name.empty()) appendField(out, "event", firstLine(event.name));
  std::string_view rest = event.data;
  bool endsWithBreak = true;  // no data is one empty line
  while (endsWithBreak || !rest.empty()) {
    const auto before = rest.size();
    const auto line = takeLine(rest);
    appendField(out, "data", line);
    endsWithBreak = rest.empty() && before > line.size();
  }
  out += '\n';
}

std::string_view lastEventId(const RequestHead& head) { return head.header("Last-Event-ID"); }

bool EventStream::push(const Event& event) {
  std::function<void()> tell;
  {
    const MutexLock lock(mutex_);
    if (state_ != State::open) return false;
    appendEvent(queue_, event);
    if (queue_.size() - taken_ > kQueueBytes) state_ = State::gone;
    if (std::exchange(waiting_, false)) tell = ready_;
  }
  if (tell) tell();
  return true;
}

void EventStream::end() {
  std::function<void()> tell;
  {
    const MutexLock lock(mutex_);
    if (state_ == State::open) state_ = State::ended;
    if (std::exchange(waiting_, false)) tell = ready_;
  }
  if (tell) tell();
}

void EventStream::onGone(std::function<void()> stop) {
  {
    const MutexLock lock(mutex_);
    if (state_ != State::gone) {
      std::swap(stop_, stop);
      return;
    }
  }
  stop();
}

BodySource::Pull EventStream::pull(std::string& out, std::size_t atMost) {
  const MutexLock lock(mutex_);
  if (state_ == State::gone) return Pull::failed;
  const auto length = std::min(atMost, queue_.size() - taken_);
  out.append(queue_, taken_, length);
  taken_ += length;
  if (taken_ == queue_.size()) {
    queue_.clear();
    taken_ = 0;
    if (state_ == State::ended) return Pull::end;
    waiting_ = length == 0;
  } else if (taken_ > queue_.size() / 2) {
    queue_.erase(0, std::exchange(taken_, 0));
  }
  return length > 0 ? Pull::more : Pull::later;
}

void EventStream::onReady(std::function<void()> ready) {
  const MutexLock lock(mutex_);
  ready_ = std::move(ready);
}

void EventStream::gone() {
  std::function<void()> stop;
  {
    const MutexLock lock(mutex_);
    state_ = State::gone;
    ready_ = nullptr;
    std::swap(stop_, stop);
  }
  if (stop) stop();
}

Response eventStream(std::shared_ptr<EventStream> stream) {
  // X-Accel-Buffering is what nginx looks at.
  return {.status = 200,
          .contentType = "text/event-stream",
          .headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}},
          .body = std::shared_ptr<BodySource>(std::move(stream))};
}

}  // namespace corbel::http
