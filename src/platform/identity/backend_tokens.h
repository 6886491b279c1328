// Tokens of the product itself that no issuer here can check: its own backend is asked.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/jwt.h"
#include "resilience/dependency.h"

namespace corbel::identity {

class TokenCache;

// Thread-safe.
//
// The backend is asked once for a token, whoever else wants to know it meanwhile; what it said is
// kept by the SHA-256 of the whole token: a good one for 60 s and never longer than `exp`, a bad
// one for 5 s. When it does not answer, the token is neither good nor bad: unavailable. Its users
// are the users of the product, as those of JWT_SECRET are: "user:<id>".
class BackendTokens {
 public:
  static constexpr std::chrono::seconds kKeepGood{60};
  static constexpr std::chrono::seconds kKeepBad{5};

  struct Answer {
    int status = 0;
    std::string body = {};
    std::optional<std::chrono::seconds> retryAfter = {};
  };
  // Sends the token; waits. Any error: no answer.
  using Ask = std::function<Result<Answer>(std::string_view token, Deadline deadline)>;

  // All must outlive it.
  struct Parts {
    const Directory& directory;
    const Clock& clock;
    resilience::Dependency& backend;
  };
  BackendTokens(const Parts& parts, Ask ask, ClaimMap claims,
                std::size_t cacheBytes = std::size_t{8} * 1024 * 1024);
  ~BackendTokens();

  // Without I/O. Nothing: the backend has to be asked; verify() does that. unauthenticated: the
  // token proves nobody. unavailable: it cannot be known now.
  std::optional<Result<PrincipalRef>> tryVerify(std::string_view token);
  // The same; asks the backend and waits, so never on a network thread.
  Result<PrincipalRef> verify(std::string_view token, Deadline deadline);

  // Forgets what is known of the principal's tokens; how many they were.
  std::size_t forget(std::string_view principal);

  // After unavailable: when it is worth trying again; at least a second.
  std::chrono::seconds retryAfter() const;

 private:
  struct Verdict {
    PrincipalRef principal;  // null: proves nobody
    Timestamp expiresAt = Timestamp::max();
  };
  struct Flight {
    std::optional<Result<PrincipalRef>> outcome;
  };
  using Digest = crypto::Sha256Digest;

  std::optional<Result<PrincipalRef>> known(const Digest& digest);
  Result<PrincipalRef> askOnce(std::string_view token, const Digest& digest, Deadline deadline);
  Result<Verdict> askBackend(std::string_view token, Deadline deadline);
  Result<Verdict> interpret(const Answer& answer, resilience::Permit& permit) const;

  const Parts parts_;
  const Ask ask_;
  const IssuerConfig issuer_;
  const std::unique_ptr<TokenCache> cache_;
  Mutex mutex_;
  std::condition_variable landed_;
  std::map<Digest, std::shared_ptr<Flight>> flights_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::identity
