// API keys: made, shown once, stored as hashes, found by their public prefix.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "events/events.h"
#include "identity/directory.h"
#include "identity/identity.h"
#include "store/store.h"

namespace corbel::identity {

struct ApiKey {
  std::string id;
  std::string tenant;
  std::string name;
  std::string prefix;  // public: "crb_<prefix>_…"
  std::string
      role;  // built-in; its permissions follow the program. Empty: the permissions were listed
  PermissionSet permissions;
  KeyLimits limits;
  std::string createdBy;  // Principal::id
  Timestamp createdAt;
  std::optional<Timestamp> expiresAt;
  std::optional<Timestamp> lastUsedAt;
  std::optional<Timestamp> revokedAt;
};

// Either a role of the tenant or a list of permissions.
struct NewApiKey {
  std::string name;
  std::string role = {};
  PermissionSet permissions = {};
  KeyLimits limits = {};
  std::optional<Timestamp> expiresAt = {};
};

// The only moment at which the text exists outside the caller's hands.
struct MintedKey {
  ApiKey key;
  Secret text;  // crb_<prefix>_<secret>
};

class KeyTable;
struct KeyGrant;
struct StoredKey;

// Thread-safe. Changes return after their commit, take effect at once, and also fail as
// Database::write does.
//
// Delegation: nobody makes, rotates or revokes a key that may do more than himself, and a key that
// is limited or expires makes only keys with the same bounds or narrower ones. These are
// permission_denied and name the field.
class ApiKeys {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Directory& directory;
    const Clock& clock;
    Random& random;
    IdSource& ids;
    const events::Outbox* outbox = nullptr;  // gets every change as an event; none: nobody is told
  };
  static constexpr std::chrono::hours kMaxGrace{7 * 24};

  static Result<std::unique_ptr<ApiKeys>> load(Parts parts, Deadline deadline);
  ~ApiKeys();

  // Whether a credential claims to be an API key; everything else is a token.
  static bool isApiKey(std::string_view credential) { return credential.starts_with("crb_"); }

  // Whose key it is. Never waits for the store. Comparison takes the same time for every wrong
  // secret. unauthenticated: no such key, revoked, or expired; the detail says which.
  Result<PrincipalRef> verify(std::string_view credential) const;

  // Whether there is a key, of any tenant, that verify() would take now.
  bool anyUsable() const;

  // In the actor's tenant. invalid_argument: name, role and permissions together or neither, limits
  // of 0, an expiry that has passed. not_found: the tenant has no such role. resource_exhausted:
  // the tenant has limits::kApiKeysPerTenant keys that were not revoked.
  Result<MintedKey> create(const NewApiKey& key, const Actor& by, Deadline deadline);

  // Of the actor's tenant, revoked ones too, by id above `after`, at most `limit`.
  Result<std::vector<ApiKey>> list(const Actor& by, std::string_view after, int limit,
                                   Deadline deadline) const;
  // not_found: there is none in the actor's tenant.
  Result<ApiKey> get(std::string_view id, const Actor& by, Deadline deadline) const;

  // A new secret under the same prefix. The one before stays valid for `grace`, from 0 to
  // kMaxGrace; an older one does not. not_found; failed_precondition: revoked.
  Result<MintedKey> rotate(std::string_view id, std::chrono::seconds grace, const Actor& by,
                           Deadline deadline);
  // For ever. Again: no change. not_found. Of a tenant's revoked keys the last
  // limits::kApiKeysPerTenant are remembered.
  Result<void> revoke(std::string_view id, const Actor& by, Deadline deadline);

  // What somebody has made in one tenant, whoever asks. By id above `after`, at most `limit`.
  struct Maker {
    std::string_view tenant;
    std::string_view principal;
    Timestamp until;  // keys that were made later are not meant
  };
  Result<std::vector<ApiKey>> madeBy(const Maker& maker, std::string_view after, int limit,
                                     Deadline deadline) const;
  // Revokes and forgets up to `limit` of them, as if they had never been; how many.
  Result<std::int64_t> removeMadeBy(const Maker& maker, int limit, Deadline deadline);

  // Writes when keys were last used since the last call; the owner calls it about once a minute and
  // before the end.
  Result<void> saveLastUse(Deadline deadline);

  // Takes over what other processes of the installation have changed.
  Result<void> refresh(Deadline deadline);

  // Makes the first key, an owner of the default tenant, where no key was ever made: writes its
  // text to `file` (mode 600, whole or not at all) and returns it. Nothing: there are keys.
  // permission_denied, insufficient_storage, internal: the file cannot be written; no key was made
  // then.
  Result<std::optional<MintedKey>> ensureFirstKey(const std::string& file, Deadline deadline);

 private:
  struct Fresh;
  explicit ApiKeys(Parts parts);
  Fresh fresh(const NewApiKey& key, const KeyGrant& grant, const Actor& by) const;
  Result<StoredKey> find(std::string_view id, const Actor& by, Deadline deadline) const;
  ApiKey withLastUse(ApiKey key) const;
  Result<std::vector<StoredKey>> usable(Deadline deadline) const;
  Result<void> tell(store::Transaction& tx, const events::EventType& type, const ApiKey& key,
                    const Actor& by) const;
  void wakeOutbox() const {
    if (parts_.outbox != nullptr) parts_.outbox->wake();
  }

  const Parts parts_;
  Mutex
      changes_;  // one change at a time, so that what is remembered last is what was committed last
  const std::unique_ptr<KeyTable> table_;
};

}  // namespace corbel::identity
