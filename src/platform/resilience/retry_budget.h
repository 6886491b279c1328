// Bounds how much load second attempts may add to something that is failing anyway.
#pragma once
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace corbel::resilience {

struct RetryBudgetOptions {
  int percent = 20;   // of the first attempts (Finagle and Envoy: 20 %)
  int perSecond = 1;  // and so many beside, so that what is seldom asked is tried twice as well
  int saved = 10;     // at most so many are saved up
};

// A pure state machine; time is an argument. Not thread-safe. In any stretch of time it allows at
// most `saved` + perSecond * seconds + percent of the calls.
class RetryBudget {
 public:
  RetryBudget(const RetryBudgetOptions& options, SteadyTime now)
      : options_(options), refilledAt_(now) {}

  void firstAttempt() { add(std::int64_t{10} * options_.percent); }
  // False: no second attempt now.
  bool tryRetry(SteadyTime now);

 private:
  static constexpr std::int64_t kOne = 1000;  // thousandths, so that nothing is rounded
  void add(std::int64_t thousandths);

  const RetryBudgetOptions options_;
  SteadyTime refilledAt_;
  std::int64_t thousandths_ = kOne;
};

}  // namespace corbel::resilience
