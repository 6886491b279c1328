// Data keys as rows.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace corbel::secrets {

struct StoredKey {
  std::string id;
  std::string tenant;     // empty: the installation's own
  std::string masterKey;  // id of the one that sealed it
  std::string wrapped;    // base64url
};

// What it cannot do itself is an error of the statement, see Transaction.
namespace data_key_store {

Result<bool> any(store::Reader& reader);
Result<std::optional<StoredKey>> find(store::Reader& reader, std::string_view tenant);
// Of other master keys than `current`, by id above `after`.
Result<std::vector<StoredKey>> wrappedByOthers(store::Reader& reader, std::string_view current,
                                               std::string_view after, int limit);
// Nothing changes where the tenant has one.
Result<void> insert(store::Transaction& tx, const StoredKey& key, Timestamp now);
// Only while `before` has wrapped it.
Result<void> replace(store::Transaction& tx, const StoredKey& key, std::string_view before);

Result<std::optional<std::string>> sharedSecret(store::Reader& reader, std::string_view name);
// Nothing changes where there is one of that name.
Result<void> insertShared(store::Transaction& tx, std::string_view name, std::string_view sealed,
                          Timestamp now);

}  // namespace data_key_store
}  // namespace corbel::secrets
