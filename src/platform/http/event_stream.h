// Server-sent events (WHATWG HTML, 9.2): a response that lasts as long as there is something to
// tell.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/mutex.h"
#include "http/message.h"

namespace corbel::http {

struct Event {
  std::string_view data;                                // of any number of lines
  std::string_view name = {};                           // empty: "message"
  std::string_view id = {};                             // what the client sends as Last-Event-ID
  std::optional<std::chrono::milliseconds> retry = {};  // how long it waits to connect again
};

// As on the wire. Line breaks end the name and the id; an id with a NUL is left out, as clients do.
void appendEvent(std::string& out, const Event& event);

// The last event that a client got before it connected again; empty: it is new.
std::string_view lastEventId(const RequestHead& head);

// Events on their way to one client. push() and end() from any thread. A comment goes out when
// nothing else did for 15 s, so that proxies keep the connection and a dead client is noticed.
class EventStream final : public BodySource {
 public:
  // What waits to be written, at most: a client that reads more slowly than is told is cut off.
  static constexpr std::size_t kQueueBytes = 256 * limits::kKiB;

  // false: nobody reads any more; work for this client may stop.
  bool push(const Event& event) CORBEL_EXCLUDES(mutex_);
  // Nothing more follows; what was pushed is still written.
  void end() CORBEL_EXCLUDES(mutex_);
  // Calls `stop` once when nobody reads any more, at once if that is so; on any thread.
  void onGone(std::function<void()> stop) CORBEL_EXCLUDES(mutex_);

  Pull pull(std::string& out, std::size_t atMost) override CORBEL_EXCLUDES(mutex_);
  void onReady(std::function<void()> ready) override CORBEL_EXCLUDES(mutex_);
  void gone() override CORBEL_EXCLUDES(mutex_);
  std::string_view heartbeat() const override { return ":\n\n"; }

 private:
  enum class State : std::uint8_t { open, ended, gone };

  Mutex mutex_;
  State state_ CORBEL_GUARDED_BY(mutex_) = State::open;
  bool waiting_ CORBEL_GUARDED_BY(mutex_) = false;  // to be told that there is more
  std::string queue_ CORBEL_GUARDED_BY(mutex_);
  std::size_t taken_ CORBEL_GUARDED_BY(mutex_) = 0;  // from the front of the queue
  std::function<void()> ready_ CORBEL_GUARDED_BY(mutex_);
  std::function<void()> stop_ CORBEL_GUARDED_BY(mutex_);
};

// 200 text/event-stream, not to be stored or gathered on the way.
Response eventStream(std::shared_ptr<EventStream> stream);

}  // namespace corbel::http
