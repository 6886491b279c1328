// The link of the first start, by which its first user is made: good once, for an hour, and only
// while nobody can sign in.
#pragma once
#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "identity/passwords.h"
#include "identity/sessions.h"
#include "identity/users.h"
#include "store/store.h"

namespace corbel::identity {

// Thread-safe. Also fails as Database::write does.
class SetupLink {
 public:
  static constexpr std::chrono::hours kValid{1};

  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    Passwords& passwords;
    Sessions& sessions;
    const Clock& clock;
    Random& random;
    IdSource& ids;
  };
  explicit SetupLink(Parts parts) : parts_(parts) {}

  // The link's token, crl_<43 characters of base64url>: 256 random bits, of which the hash is
  // stored. Nothing: one was made before, or there is a user.
  Result<std::optional<Secret>> make(Deadline deadline);
  // not_found: it was never made, was used, has expired, or there is a user; the message says what
  // to do.
  Result<void> check(std::string_view token, Deadline deadline) const;
  // Makes the first user, an owner of the default tenant, and signs him in; the link is void then.
  // Errors as of check(), and invalid_argument for the address, the name and the password.
  struct Opened {
    ProvenUser user;
    OpenedSession session;
  };
  Result<Opened> use(std::string_view token, const NewUser& owner, const SignInOrigin& origin,
                     Deadline deadline);

 private:
  Result<void> check(store::Reader& reader, std::string_view token) const;

  const Parts parts_;
};

}  // namespace corbel::identity
