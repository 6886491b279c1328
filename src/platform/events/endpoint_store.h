// Webhook endpoints as rows. Private to the module.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/webhooks.h"
#include "secrets/vault.h"

namespace corbel::events::endpoint_store {

struct StoredEndpoint {
  Endpoint endpoint;
  std::string sealedSecret;
};

// Where an endpoint's secret lives.
secrets::Place placeOfSecret(const Endpoint& endpoint);

Result<void> insert(store::Transaction& tx, const Endpoint& endpoint,
                    std::string_view sealedSecret);
// Of any tenant.
Result<std::optional<StoredEndpoint>> find(store::Reader& reader, std::string_view id);
// not_found: there is none in the tenant.
Result<Endpoint> require(store::Reader& reader, std::string_view tenant, std::string_view id);
Result<std::vector<Endpoint>> list(store::Reader& reader, std::string_view tenant);
// Ids of all endpoints that something waits for.
Result<std::vector<std::string>> waitedFor(store::Reader& reader);
// With secrets that an older program has stored as they are.
Result<std::vector<StoredEndpoint>> unsealed(store::Reader& reader, int limit);
Result<void> setSecret(store::Transaction& tx, std::string_view id, std::string_view sealedSecret);
Result<void> disable(store::Transaction& tx, std::string_view id, std::string_view reason,
                     Timestamp now);
Result<void> enable(store::Transaction& tx, std::string_view id);
Result<void> remove(store::Transaction& tx, std::string_view id);

Result<std::vector<Attempt>> attempts(store::Reader& reader, std::string_view id,
                                      std::string_view before, int limit);
Result<std::vector<DeadLetter>> deadLetters(store::Reader& reader, std::string_view id,
                                            std::string_view before, int limit);
// Takes the dead letter of the event out; nothing: there is none.
Result<std::optional<Event>> exhume(store::Transaction& tx, std::string_view id,
                                    std::string_view eventId);

}  // namespace corbel::events::endpoint_store
