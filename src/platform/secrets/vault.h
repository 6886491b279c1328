// Secrets at rest. A value is sealed by its tenant's data key and bound to its place, so that it
// opens nowhere else; data keys are sealed by the operator's master key, which never meets the
// database.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "secrets/master_keys.h"
#include "store/store.h"

namespace corbel::secrets {

// Where a sealed value lives.
struct Place {
  std::string_view table;
  std::string_view column;
  std::string_view tenant;
  std::string_view row;
};

// Where master keys come from.
struct MasterKeySource {
  std::string file;  // made with a new key where nothing was ever sealed
  Secret text = {};  // the keys themselves; the file is not looked at then
};

struct StoredKey;

// Thread-safe. Functions with a deadline may wait for the store and also fail as it does.
class Vault {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    Random& random;
    const Clock& clock;
    IdSource& ids;
  };
  static constexpr std::string_view kMark = "sealed1.";
  // Of a tenant each; then the cache starts anew. About 300 bytes each.
  static constexpr std::size_t kCachedKeys = 10'000;

  // Seals every data key anew that the first master key has not sealed, as after a rotation that
  // was interrupted. failed_precondition: there are data keys and no master key, or none that opens
  // them; the message says which is needed, which are there, and where. Else as readKeyFile() and
  // MasterKeys::parse().
  static Result<std::unique_ptr<Vault>> open(Parts parts, MasterKeySource source,
                                             Deadline deadline);

  static bool isSealed(std::string_view text) { return text.starts_with(kMark); }

  // kMark, the data key's id and base64url: goes into a column of text.
  Result<std::string> seal(const Place& place, const Secret& secret, Deadline deadline);
  // internal: it was sealed at another place, or is damaged. failed_precondition: the tenant's data
  // key is sealed by a master key that is not here.
  Result<Secret> unseal(const Place& place, std::string_view sealed, Deadline deadline);

  // A secret that all processes of the installation share, made when it is first asked for: 64
  // hexadecimal digits.
  Result<Secret> shared(std::string_view name, Deadline deadline);

  // Looks whether the file of master keys was replaced; then takes it, seals all data keys anew
  // with its first key, and takes the keys out of the file that are not needed any more. The number
  // of data keys that changed. When it fails, the next call tries again. Costs a stat(2) where
  // nothing has changed.
  Result<int> refresh(Deadline deadline);

  // The id of the key that seals data keys.
  std::string masterKey() const;

 private:
  struct DataKey {
    std::string id;
    crypto::AeadKey key;
  };
  using DataKeyRef = std::shared_ptr<const DataKey>;
  using MasterKeysRef = std::shared_ptr<const MasterKeys>;
  struct FileState {
    std::int64_t modifiedNs = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    bool operator==(const FileState&) const = default;
  };

  Vault(Parts parts, MasterKeySource source) : parts_(parts), source_(std::move(source)) {}
  FileState fileState() const;
  Result<MasterKeys> readMasterKeys() const;
  Result<void> loadMasterKeys();
  Result<void> makeMasterKey(Deadline deadline);
  MasterKeysRef masterKeys() const;
  Result<DataKeyRef> dataKey(std::string_view tenant, Deadline deadline);
  Result<StoredKey> makeDataKey(std::string_view tenant, Deadline deadline);
  Result<crypto::AeadKey> unwrap(const StoredKey& stored);
  StoredKey wrap(std::string id, std::string_view tenant, const crypto::AeadKey& key,
                 const MasterKey& master) const;
  Result<int> wrapAnew(Deadline deadline);
  Result<void> forgetOldKeys();
  std::string where() const;

  const Parts parts_;
  const MasterKeySource source_;
  Mutex refreshing_;
  mutable Mutex mutex_;
  MasterKeysRef masters_ CORBEL_GUARDED_BY(mutex_);
  FileState seen_ CORBEL_GUARDED_BY(mutex_);  // of the file with which all data keys are sealed
  std::map<std::string, DataKeyRef, std::less<>> keys_ CORBEL_GUARDED_BY(mutex_);  // by tenant
};

// Puts a new master key in front of those of the file: the next refresh() or open() seals with it
// and takes the others out. Its id. not_found: there is no file. failed_precondition: it holds
// MasterKeys::kMax already. Else as readKeyFile() and writeKeyFile().
Result<std::string> rotateMasterKey(const std::string& file, Random& random);

}  // namespace corbel::secrets
