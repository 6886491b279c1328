// Signing in: from a password to a session, and from a session's token to its user.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/sha256.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/passwords.h"
#include "limits/rate_limiter.h"
#include "store/store.h"

namespace corbel::identity {

// Where a sign-in came from. Texts are cut at 200 bytes.
struct SignInOrigin {
  std::string address;
  std::string device;  // User-Agent
};

struct Session {
  std::string id;
  std::string userId;
  SignInOrigin origin;
  Timestamp createdAt;
  Timestamp lastUsedAt;  // to the minute
  Timestamp expiresAt;   // however much it is used
};

// Somebody who has proven who he is, and has no session yet.
struct ProvenUser {
  std::string id;
  std::string email;
  std::string name;
  std::optional<std::string> betterHash = {};  // of the password, at the cost of today
};

// The only moment at which the token exists outside the caller's hands.
struct OpenedSession {
  Session session;
  Secret token;  // cru_<43 characters of base64url>: 256 random bits
};

struct SessionOptions {
  std::chrono::seconds idle{std::chrono::hours(2)};
  std::chrono::seconds absolute{std::chrono::hours(12)};
};

// Thread-safe. Writes also fail as Database::write does.
class Sessions {
 public:
  // Sign-ins of one account or address in any quarter of an hour, right and wrong ones.
  static constexpr std::uint32_t kAttemptsOfAccountAtAddress = 10;
  static constexpr std::uint32_t kAttemptsOfAccount = 50;
  static constexpr std::uint32_t kAttemptsOfAddress = 100;
  // A session that is ended by another process is known here for so long at the most.
  static constexpr std::chrono::seconds kRemembered{1};
  static constexpr int kPerUser = 50;  // those used least recently go

  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Directory& directory;
    Passwords& passwords;
    limits::RateLimiter& limiter;
    const Clock& clock;
    Random& random;
    IdSource& ids;
  };
  Sessions(Parts parts, SessionOptions options) : parts_(parts), options_(options) {}

  // Whether a credential claims to be a session's token.
  static bool isSessionToken(std::string_view credential) { return credential.starts_with("cru_"); }

  // Counts an attempt to prove a password, from `address`. Ask before prove() and changePassword(),
  // which must not be called when it was not allowed. May wait for some milliseconds.
  limits::Decision attempt(std::string_view email, std::string_view address);

  // Takes tens of milliseconds of processor time, as long for an address that nobody has, a user
  // without password and a disabled one. unauthenticated: it is not so, whatever the reason; the
  // detail says which.
  Result<ProvenUser> prove(std::string_view email, const Secret& password, Deadline deadline) const;
  // unauthenticated: the user was disabled or removed meanwhile.
  Result<OpenedSession> open(const ProvenUser& user, const SignInOrigin& origin, Deadline deadline);
  // The same within a unit of the caller's.
  Result<OpenedSession> open(store::Transaction& tx, const ProvenUser& user,
                             const SignInOrigin& origin) const;

  // Whose session it is; nothing: the store has to be asked. unauthenticated: of nobody, or it has
  // ended.
  std::optional<Result<PrincipalRef>> tryVerify(std::string_view token) const;
  Result<PrincipalRef> verify(std::string_view token, Deadline deadline);

  // The session of a token that verify() accepts; the same errors.
  Result<Session> find(std::string_view token, Deadline deadline) const;
  // Those of a user that have not ended, used last first.
  Result<std::vector<Session>> list(std::string_view userId, Deadline deadline) const;
  // not_found: the user has no such session.
  Result<void> end(std::string_view userId, std::string_view id, Deadline deadline);
  // Changes the password of the session's user, who proves the old one, and ends his other
  // sessions. Errors as of checkPassword(); unprocessable: the old one is wrong.
  Result<void> changePassword(const Session& session, const Secret& current, const Secret& fresh,
                              Deadline deadline);
  // E-mail address of a session's user.
  Result<std::string> emailOfUser(const Session& session, Deadline deadline) const;

  // What is remembered of sessions is looked up anew.
  void forget();

 private:
  struct Known {
    PrincipalRef principal;
    Timestamp endsAt;
    SteadyTime until;
  };
  struct DigestHash {
    std::size_t operator()(const crypto::Sha256Digest& digest) const;
  };

  bool hasEnded(const Session& session) const;
  void remember(const crypto::Sha256Digest& token, const Session& session, PrincipalRef principal);
  void touch(const Session& session);

  const Parts parts_;
  const SessionOptions options_;
  mutable Mutex mutex_;
  std::unordered_map<crypto::Sha256Digest, Known, DigestHash> known_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::identity
