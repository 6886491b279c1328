// What happened, told to others: events are written with their effect, in the same unit of work,
// and delivered afterwards by a thread for each sink.
//
// Promise: an event exists exactly when its effect does; it is delivered at least once to every
// sink that was there when it happened; events of one partition key reach a sink in the order in
// which they happened (an event that a sink refuses for good leaves its place and becomes a dead
// letter). Receivers tell repetitions by the event's id.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "events/event_types.h"
#include "store/store.h"

namespace corbel::events {

inline constexpr std::string_view kWebhookSink = "webhook";
// CloudEvents 1.0, "Size Limits": what every intermediary must forward.
inline constexpr std::size_t kDataBytes = std::size_t{64} * 1024;
// Waiting for one webhook endpoint; the one that would be more disables the endpoint instead.
inline constexpr std::int64_t kEndpointWaitingMax = 1'000;

// One event in the terms of CloudEvents 1.0.
struct Event {
  std::string id;  // UUIDv7
  std::string source;
  std::string type;
  std::string subject;
  Timestamp time;
  std::string tenant;
  std::string partitionKey;
  std::string data;  // a JSON object
};

// The event in CloudEvents' JSON format (content type kCloudEventType). Tenant and partition key
// are the extension attributes `tenant` and `partitionkey`.
std::string toCloudEvent(const Event& event);
inline constexpr std::string_view kCloudEventType = "application/cloudevents+json; charset=utf-8";

// Members of an event's data, in order. Views are valid within the expression; none means null.
struct DataMember {
  std::string_view name;
  std::variant<std::monostate, std::string_view, std::int64_t> value = {};
};
std::string toData(std::span<const DataMember> members);
inline std::string toData(std::initializer_list<DataMember> members) {
  return toData(std::span(members.begin(), members.size()));
}

// An event as its producer states it.
struct NewEvent {
  const EventType& type;
  std::string_view tenant;
  std::string subject;            // as in models/0190…
  std::string_view partitionKey;  // events with the same one keep their order
  std::string data;               // a JSON object, at most kDataBytes
};

struct Bounds {
  std::int64_t rows = 100'000;
  std::int64_t bytes = std::int64_t{256} << 20;
};

struct Pending {
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
};

// Thread-safe. Owns the tables of events_migrations.h.
class Outbox {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    IdSource& ids;
    const Clock& clock;
  };
  // `sinks` are the brokers that get every event; webhook endpoints are rows.
  Outbox(Parts parts, std::string source, std::vector<std::string> sinks, Bounds bounds)
      : parts_(parts), source_(std::move(source)), sinks_(std::move(sinks)), bounds_(bounds) {}

  // Adds the event to the caller's unit of work, once for every sink and for every enabled webhook
  // endpoint of the tenant that wants the type; nothing where nobody listens. insufficient_storage:
  // the outbox has reached its bound, so the caller's unit must fail too (an effect without its
  // event is never written). unprocessable: the data is longer than kDataBytes.
  Result<void> append(store::Transaction& tx, const NewEvent& event) const;
  // The event as it happens now, with an id of its own.
  Event stamped(const NewEvent& event) const;
  // Adds the event for one target of one sink, whatever that subscribed to. Errors as above.
  Result<void> appendFor(store::Transaction& tx, const Event& event, std::string_view sink,
                         std::string_view target) const;

  // A hint that something was committed, so that nobody waits for the next poll.
  void wake() const {
    if (onWake_) onWake_();
  }
  // Set before the first wake(); must not block.
  void onWake(std::function<void()> wake) { onWake_ = std::move(wake); }

  // What waits for the slowest of all sinks.
  Result<Pending> pending(Deadline deadline) const;
  // Forgets deliveries to brokers that are not configured any more; how many they were.
  Result<std::int64_t> forgetOtherSinks(Deadline deadline) const;
  // For a process that has the database to itself: whoever had a sink before it is gone.
  Result<void> endLeases(Deadline deadline) const;

 private:
  Result<std::int64_t> insert(store::Transaction& tx, const Event& event) const;

  const Parts parts_;
  const std::string source_;
  const std::vector<std::string> sinks_;
  const Bounds bounds_;
  std::function<void()> onWake_;
};

// What became of one event at a sink.
enum class Verdict : std::uint8_t {
  delivered,  // acknowledged: durable as far as the sink can say
  failed,     // not acknowledged; to be tried again
  refused,    // never will be, such as a message that is too long: becomes a dead letter
};

struct Outcome {
  Verdict verdict = Verdict::failed;
  std::string reason = {};  // for operators; empty when delivered
  int status = 0;           // of an HTTP answer
  std::chrono::milliseconds took{0};
};

// How a sink is tried again: after a random time below firstWait * 2^failures, at most longestWait
// ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
struct Retry {
  std::chrono::milliseconds firstWait{200};
  std::chrono::milliseconds longestWait{5'000};
  std::optional<int> attemptsMax = {};  // of one event, then it is a dead letter; none: for ever
};

// Where events go. Called by one thread at a time for a target.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual std::string_view name() const = 0;
  virtual Retry retry() const { return {}; }
  // Those for which something may wait; one without a name for most sinks.
  virtual Result<std::vector<std::string>> targets(Deadline) { return std::vector<std::string>(1); }
  // One outcome for each event, in order; fewer where the last ones were not tried. No two events
  // of a call have the same partition key, so the sink may send them together. Ends at the
  // deadline; what was not acknowledged by then has failed.
  virtual std::vector<Outcome> publish(std::string_view target, std::span<const Event> events,
                                       Deadline deadline) = 0;
};

}  // namespace corbel::events
