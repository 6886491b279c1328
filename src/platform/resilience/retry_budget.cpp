#include "resilience/retry_budget.h"

#include <algorithm>

namespace corbel::resilience {

void RetryBudget::add(std::int64_t thousandths) {
  thousandths_ = std::min(thousandths_ + thousandths, kOne * options_.saved);
}

bool RetryBudget::tryRetry(SteadyTime now) {
  const auto passed = std::chrono::floor<std::chrono::milliseconds>(now - refilledAt_);
  refilledAt_ += passed;
  // Longer than it takes to fill up is as good as any time.
  const std::int64_t filling = kOne * std::max(options_.saved, 1);
  add(std::min<std::int64_t>(passed.count(), filling) * options_.perSecond);
  if (thousandths_ < kOne) return false;
  thousandths_ -= kOne;
  return true;
}

}  // namespace corbel::resilience
