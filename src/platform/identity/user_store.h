// Users, their roles and their sessions as rows.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "identity/sessions.h"
#include "identity/users.h"
#include "store/store.h"

namespace corbel::identity {

struct StoredUser {
  User user;  // without roles
  std::optional<std::string> passwordHash;
};

struct TenantRoles {
  std::string tenant;
  std::vector<std::string> roles;
};

// What it cannot do itself is an error of the statement, see Transaction.
namespace user_store {

Result<std::optional<StoredUser>> find(store::Reader& reader, std::string_view id);
Result<std::optional<StoredUser>> findByEmail(store::Reader& reader, std::string_view email);
// With their roles there.
Result<std::vector<User>> list(store::Reader& reader, std::string_view tenant,
                               std::string_view after, int limit);
Result<std::int64_t> count(store::Reader& reader, std::string_view tenant);
Result<std::int64_t> countOwners(store::Reader& reader, std::string_view tenant);
Result<bool> any(store::Reader& reader);
// In the order of the tenants' ids; of no tenant: none.
Result<std::vector<TenantRoles>> roles(store::Reader& reader, std::string_view id);

Result<void> insert(store::Transaction& tx, const StoredUser& stored);
Result<void> update(store::Transaction& tx, const StoredUser& stored);
Result<void> remove(store::Transaction& tx, std::string_view id);
Result<void> setRoles(store::Transaction& tx, std::string_view id, std::string_view tenant,
                      const std::vector<std::string>& roles);
Result<void> setSignIn(store::Transaction& tx, std::string_view id, Timestamp at);
Result<void> setHash(store::Transaction& tx, std::string_view id, const std::string& hash);

}  // namespace user_store

struct StoredSession {
  Session session;
  std::string userName;
};

namespace session_store {

// Of users who are not disabled.
Result<std::optional<StoredSession>> find(store::Reader& reader, const crypto::Sha256Digest& token);
Result<std::vector<Session>> list(store::Reader& reader, std::string_view user);

Result<void> insert(store::Transaction& tx, const Session& session,
                    const crypto::Sha256Digest& token);
Result<void> touch(store::Transaction& tx, std::string_view id, Timestamp at);
// How many there were.
Result<std::int64_t> remove(store::Transaction& tx, std::string_view user, std::string_view id);
// But for the one with `kept`, which may be empty.
Result<void> removeOf(store::Transaction& tx, std::string_view user, std::string_view kept);
// Those that have ended, and of the others all but the `kept` used last.
Result<void> prune(store::Transaction& tx, std::string_view user, Timestamp idleSince,
                   Timestamp now, int kept);

}  // namespace session_store
}  // namespace corbel::identity
