// Passwords of users: which are good enough, and hashing them without taking the machine.
#pragma once
#include <condition_variable>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/password_hash.h"

namespace corbel::identity {

inline constexpr std::size_t kPasswordMin = 12;
inline constexpr std::size_t kPasswordMax = 256;

// invalid_argument: shorter or longer than that, fewer than five different characters, or made of
// the user's own address. `pointer` is the field's name.
Result<void> checkPassword(std::string_view pointer, const Secret& password,
                           std::string_view email);

struct PasswordOptions {
  unsigned atOnce = 2;  // hashings; each takes the memory of the cost
  crypto::PasswordCost cost = {};
};

// Thread-safe. Whoever comes when `atOnce` hashings run waits for one of them to end.
// Outcomes of all: deadline_exceeded (none has), unavailable (no memory).
class Passwords {
 public:
  // Both must outlive it.
  Passwords(const Clock& clock, Random& random, PasswordOptions options = {})
      : clock_(clock), random_(random), options_(options) {}

  Result<std::string> hash(const Secret& password, Deadline deadline);

  struct Verdict {
    bool matches = false;
    bool outdated = false;  // the hash has another cost than new ones
  };
  // Without a hash nothing matches, and finding that out takes as long.
  Result<Verdict> verify(const std::optional<std::string>& hash, const Secret& password,
                         Deadline deadline);

 private:
  class Turn;
  Result<std::string> hashNow(const Secret& password);

  const Clock& clock_;
  Random& random_;
  const PasswordOptions options_;
  Mutex mutex_;
  std::condition_variable ended_;
  unsigned running_ CORBEL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corbel::identity
