// What every call passes before its handler, in order. One list, in gates.cpp.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/dispatcher.h"
#include "identity/api_keys.h"
#include "identity/backend_tokens.h"
#include "identity/directory.h"
#include "identity/jwt.h"
#include "identity/service_tokens.h"
#include "identity/sessions.h"
#include "limits/rate_limiter.h"
#include "resilience/memory_guard.h"

namespace corbel::gates {

// Requests a minute of one caller, by kind of caller and class of route. A key's own limit goes
// before these.
struct Quotas {
  std::uint32_t userInference = 10;
  std::uint32_t userApi = 600;
  std::uint32_t keyInference = 6'000;
  std::uint32_t keyApi = 60'000;
};

class Gates final : public http::Admission {
 public:
  // Everything must outlive it.
  struct Parts {
    const identity::ApiKeys& keys;
    const identity::Directory& directory;
    identity::JwtVerifier& tokens;
    limits::RateLimiter& limiter;
    identity::BackendTokens* backend = nullptr;        // null: nobody else knows tokens
    const resilience::MemoryGuard* memory = nullptr;   // null: there is always enough
    identity::ServiceTokens* serviceTokens = nullptr;  // null: there are none
    identity::Sessions* sessions = nullptr;            // null: nobody signs in here
  };
  enum class Authentication : std::uint8_t { required, off };

  Gates(Parts parts, Quotas quotas, Authentication authentication);

  std::optional<Result<void>> tryNow(http::Call& call) override;
  Result<void> decide(http::Call& call) override;

  // From now on every call is refused with `unavailable`, but for health.
  void drain() { draining_ = true; }
  bool draining() const { return draining_; }

 private:
  enum class Waiting : std::uint8_t { no, allowed };
  // Nothing: it cannot be decided without waiting.
  using Verdict = std::optional<Result<void>>;
  struct Gate {
    std::string_view name;
    Verdict (Gates::*judge)(http::Call&, Waiting);
  };
  static const std::array<Gate, 6> kGates;

  Verdict refuseWhileDraining(http::Call& call, Waiting waiting);
  Verdict shedLoad(http::Call& call, Waiting waiting);
  Verdict authenticate(http::Call& call, Waiting waiting);
  Verdict chooseTenant(http::Call& call, Waiting waiting);
  Verdict checkPermission(http::Call& call, Waiting waiting);
  Verdict takeFromBudget(http::Call& call, Waiting waiting);

  std::optional<Result<identity::PrincipalRef>> principalOf(http::Call& call, Waiting waiting);
  std::optional<Result<identity::PrincipalRef>> sessionOf(std::string_view token, Deadline deadline,
                                                          Waiting waiting);
  std::optional<Result<identity::PrincipalRef>> bearerOf(std::string_view token, Deadline deadline,
                                                         Waiting waiting);
  std::chrono::seconds retryAfter() const;
  limits::Quota quotaOf(const http::Call& call) const;

  Parts parts_;
  Quotas quotas_;
  Authentication authentication_;
  identity::PrincipalRef nobody_;
  std::atomic<bool> draining_ = false;
};

}  // namespace corbel::gates
