// API keys as rows.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "identity/api_keys.h"
#include "store/store.h"

namespace corbel::identity {

struct KeyHashes {
  crypto::Sha256Digest secret;
  std::optional<crypto::Sha256Digest> previous = {};
  Timestamp previousUntil = {};
};

struct StoredKey {
  ApiKey key;
  KeyHashes hashes;
};

// What it cannot do itself is an error of the statement, see Transaction.
namespace api_key_store {

// Those that were not revoked, of all tenants, by id above `after`: what the checks in memory need.
Result<std::vector<StoredKey>> usable(store::Reader& reader, std::string_view after, int limit);
Result<std::int64_t> countUsable(store::Reader& reader, std::string_view tenant);
Result<bool> any(store::Reader& reader);
Result<std::vector<ApiKey>> list(store::Reader& reader, std::string_view tenant,
                                 std::string_view after, int limit);
Result<std::vector<ApiKey>> madeBy(store::Reader& reader, const ApiKeys::Maker& maker,
                                   std::string_view after, int limit);
Result<std::optional<StoredKey>> find(store::Reader& reader, std::string_view tenant,
                                      std::string_view id);

Result<void> insert(store::Transaction& tx, const StoredKey& key);
// failed_precondition: it was revoked meanwhile.
Result<void> setHashes(store::Transaction& tx, std::string_view id, const KeyHashes& hashes);
Result<void> revoke(store::Transaction& tx, std::string_view id, Timestamp at);
// But for those that were revoked last.
Result<void> forgetRevoked(store::Transaction& tx, std::string_view tenant, int kept);
Result<void> remove(store::Transaction& tx, std::string_view id);
Result<void> setLastUse(store::Transaction& tx, std::string_view id, Timestamp at);

}  // namespace api_key_store
}  // namespace corbel::identity
