// A deadline, and the clock that tells when it has passed.
#pragma once
#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"

namespace corbel::inference {

// The clock must outlive it.
class TimeLimit {
 public:
  TimeLimit(Deadline deadline, const Clock& clock) : deadline_(deadline), clock_(&clock) {}

  // deadline_exceeded: the time is over. Costs a look at the clock: ask between pieces of work of
  // some microseconds.
  Result<void> check() const {
    if (!deadline_.expired(*clock_)) return {};
    return fail(ErrorCode::deadlineExceeded, "The model took longer than allowed.");
  }

 private:
  Deadline deadline_;
  const Clock* clock_;
};

}  // namespace corbel::inference
