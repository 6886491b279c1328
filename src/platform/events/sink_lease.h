// The right to publish to a sink, which one of several processes with one database has at a time.
// Private to the module.
#pragma once
#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace corbel::events {

// For one thread. Nothing is written while nothing is published: a lease is asked for when there is
// work, runs out by itself, and is given back when this goes.
class SinkLease {
 public:
  // A process that has ended without a word is waited for so long.
  static constexpr std::chrono::seconds kLength{15};

  // `name`: of what is leased; `holder`: unique to this. Both references must outlive it.
  SinkLease(store::Database& database, const Clock& clock, std::string name, std::string holder)
      : database_(database),
        clock_(clock),
        name_(std::move(name)),
        holder_(std::move(holder)),
        ends_(clock.steady()) {}
  ~SinkLease();
  SinkLease(const SinkLease&) = delete;
  SinkLease& operator=(const SinkLease&) = delete;

  // Whether nobody else publishes for so long from now on. Asks nobody.
  bool lasts(std::chrono::milliseconds time) const { return clock_.steady() + time < ends_; }
  // Takes the lease for kLength, or as much more of it. false: another has it.
  Result<bool> take();

 private:
  Result<bool> isOthers() const;

  store::Database& database_;
  const Clock& clock_;
  const std::string name_;
  const std::string holder_;
  SteadyTime ends_;
};

}  // namespace corbel::events
