// Deliveries, their attempts and dead letters as rows. Private to the module.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/events.h"

namespace corbel::events {

// One event on its way to one target.
struct Waiting {
  std::int64_t position = 0;
  int attempts = 0;
  Event event;
};

struct Backlog {
  std::int64_t rows = 0;
  std::optional<Timestamp> oldest;
  Pending outbox;  // of all sinks together
};

// What became of one event at the target.
struct Settled {
  const Waiting& waiting;
  const Outcome& outcome;
  enum class Fate : std::uint8_t { delivered, again, dead } fate;
};

namespace delivery_store {

inline constexpr int kAttemptsKept = 100;      // of one target
inline constexpr int kDeadLettersKept = 1000;  // of one target

// From eight columns in the order of Event's members.
Event eventOf(const store::Row& row, int first);

// In the order of their positions.
Result<std::vector<Waiting>> head(store::Reader& reader, std::string_view sink,
                                  std::string_view target, int limit);
Result<Backlog> backlog(store::Reader& reader, std::string_view sink);

// How many old dead letters had to go.
Result<std::int64_t> settle(store::Transaction& tx, std::string_view sink, std::string_view target,
                            const std::vector<Settled>& settled, Timestamp now);
// One line of the target's recent attempts.
Result<void> noteAttempt(store::Transaction& tx, std::string_view id, std::string_view sink,
                         std::string_view target, const Waiting& waiting, const Outcome& outcome,
                         Timestamp now);
Result<void> trimAttempts(store::Transaction& tx, std::string_view sink, std::string_view target);

// The first `limit` that wait for the target, without a trace; how many they were.
Result<std::int64_t> forget(store::Transaction& tx, std::string_view sink, std::string_view target,
                            int limit);

}  // namespace delivery_store
}  // namespace corbel::events
