#include "limits/rate_limiter.h"

#include <fmt/compile.h>
#include <fmt/format.h>

namespace corbel::limits {

std::string rateLimitPolicyField(const Decision& decision) {
  return fmt::format(FMT_COMPILE("\"{}\";q={};w={}"), decision.policy, decision.limit,
                     decision.window.count());
}

std::string rateLimitField(const Decision& decision) {
  return fmt::format(FMT_COMPILE("\"{}\";r={};t={}"), decision.policy, decision.remaining,
                     decision.reset.count());
}

std::string retryAfterField(const Decision& decision) {
  return fmt::format("{}", decision.retryAfter.count());
}

}  // namespace corbel::limits
