// Statements that waited in vain for somebody else's lock: for a while, nobody waits for the same.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "resilience/breaker.h"

namespace corbel::store {

// One breaker a statement, by the address of its literal; none while all is well. Thread-safe.
class Contention {
 public:
  explicit Contention(Random& random) : random_(random) {}

  // A statement that may be run now, to be given back; or unavailable, at once.
  using Ticket = std::optional<resilience::Breaker::Ticket>;
  Result<Ticket> enter(std::string_view statement, SteadyTime now);
  // Null: it ran.
  void leave(std::string_view statement, Ticket ticket, const Error* error, SteadyTime now);

 private:
  Random& random_;
  std::atomic<std::size_t> count_ = 0;
  Mutex mutex_;
  std::map<const char*, resilience::Breaker> breakers_ CORBEL_GUARDED_BY(mutex_);
};

// What a lock that somebody else holds ends in: unavailable.
Error contendedError(std::string detail);
bool isContended(const Error& error);

}  // namespace corbel::store
