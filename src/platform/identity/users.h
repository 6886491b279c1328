// The people who sign in here: by e-mail address, with roles in one or several tenants.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "identity/passwords.h"
#include "store/store.h"

namespace corbel::identity {

struct User {
  std::string id;
  std::string email;  // lower case
  std::string name;
  std::vector<std::string> roles;  // in the tenant that was asked about
  bool hasPassword = false;
  std::string createdBy;  // Principal::id
  Timestamp createdAt;
  std::optional<Timestamp> disabledAt;
  std::optional<Timestamp> lastSignInAt;
};

struct NewUser {
  std::string email;
  std::string name = {};  // empty: the address
  Secret password = {};   // empty: none; the user cannot sign in with one then
  std::vector<std::string> roles = {};
};

// Absent: stays as it is.
struct UserChange {
  std::optional<std::string> name = {};
  std::optional<std::vector<std::string>> roles = {};
  std::optional<bool> disabled = {};
  std::optional<Secret> password = {};
};

inline constexpr int kUsersPerTenant = 10'000;

// The e-mail address in the form that is stored and compared. invalid_argument: it is none; only
// ASCII is taken, so that two addresses that look alike are one.
Result<std::string> emailOf(std::string_view text);

// Principal::id of a user.
std::string principalIdOf(std::string_view userId);

// Whether there is a user, of any tenant, who may sign in.
Result<bool> hasUsers(store::Reader& reader);

// Thread-safe. Changes return after their commit and also fail as Database::write does. Users are
// those with a role in the actor's tenant; others are not_found.
//
// Delegation: nobody gives roles, or changes, disables or removes users, that may do more than
// himself (permission_denied). A user who belongs to several tenants is one account: its name,
// password and disabling are for owners of the default tenant alone.
//
// The last user who is an owner of a tenant and may sign in stays one (unprocessable).
//
// Sessions end with what they were opened by: a disabled or removed user's, and on a new password
// all of them.
class Users {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Directory& directory;
    Passwords& passwords;
    const Clock& clock;
    IdSource& ids;
  };
  explicit Users(Parts parts) : parts_(parts) {}
  // Called after each change that sessions must notice, on the thread of the change.
  void onChange(std::function<void()> changed) { changed_ = std::move(changed); }

  // invalid_argument: address, name, password, no roles. not_found: the tenant has no such role.
  // already_exists: the address is taken; by a user of another tenant only owners of the default
  // tenant may go on: the user then also belongs to this one, and keeps name and password.
  // resource_exhausted: the tenant has kUsersPerTenant users.
  Result<User> add(const NewUser& fresh, const Actor& by, Deadline deadline);

  // By id above `after`, at most `limit`.
  Result<std::vector<User>> list(const Actor& by, std::string_view after, int limit,
                                 Deadline deadline) const;
  Result<User> get(std::string_view id, const Actor& by, Deadline deadline) const;
  Result<User> find(std::string_view email, const Actor& by, Deadline deadline) const;

  Result<User> change(std::string_view id, const UserChange& change, const Actor& by,
                      Deadline deadline);
  // From the actor's tenant; who belongs to no other is forgotten.
  Result<void> remove(std::string_view id, const Actor& by, Deadline deadline);
  // Ends all sessions of the user.
  Result<void> endSessions(std::string_view id, const Actor& by, Deadline deadline);

 private:
  struct Account;
  Result<Account> account(store::Reader& reader, std::string_view id, const Actor& by) const;
  Result<void> checkRoles(const std::vector<std::string>& roles, const Actor& by) const;
  Result<void> checkMayChange(const Account& account, const Actor& by) const;
  Result<void> insert(store::Transaction& tx, const User& user,
                      const std::optional<std::string>& hash, const Actor& by) const;
  Result<void> apply(store::Transaction& tx, Account& account, const UserChange& change,
                     const std::optional<std::string>& hash, const Actor& by) const;
  void tellOfChange() const {
    if (changed_) changed_();
  }

  const Parts parts_;
  std::function<void()> changed_;
};

}  // namespace corbel::identity
