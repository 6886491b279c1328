#include "identity/personal_keys.h"

#include <utility>
#include <vector>

namespace corbel::identity {
namespace {

using personal::Erased;
using personal::kAtOnce;
using personal::Name;
using personal::Person;

ApiKeys::Maker makerOf(const Person& person) {
  return {.tenant = person.tenant, .principal = person.principal, .until = person.until};
}

personal::Thing thingOf(const ApiKey& key) {
  personal::Record record;
  record.text("id", key.id).text("name", key.name).text("prefix", key.prefix);
  record.text("role", key.role).text("permissions", toText(key.permissions));
  record.time("createdAt", key.createdAt);
  if (key.lastUsedAt) record.time("lastUsedAt", *key.lastUsedAt);
  if (key.revokedAt) record.time("revokedAt", *key.revokedAt);
  return {key.id, record.finish()};
}

}  // namespace

personal::Place personalKeys(store::Database& database, ApiKeys& keys) {
  return {
      .name = "api-keys",
      .doc = "API keys that the person made are revoked and removed.",
      .tables = {"api_keys"},
      .show = [&keys](const Person& person, const personal::Show& show,
                      Deadline deadline) -> Result<void> {
        const auto page = [&](std::string_view after) -> Result<std::vector<personal::Thing>> {
          CORBEL_TRY(const auto made, keys.madeBy(makerOf(person), after, kAtOnce, deadline));
          std::vector<personal::Thing> things;
          for (const ApiKey& key : made) things.push_back(thingOf(key));
          return things;
        };
        return personal::showPages(page, show);
      },
      .erase = [&keys](const Person& person, Deadline deadline) -> Result<Erased> {
        CORBEL_TRY(const auto count, keys.removeMadeBy(makerOf(person), kAtOnce, deadline));
        return Erased{count, count == kAtOnce};
      },
      .names = [&database](Deadline deadline) -> Result<std::vector<Name>> {
        return database.read(
            [](store::Reader& reader) {
              return reader.query("SELECT DISTINCT tenant_id, created_by FROM api_keys")
                  .all([](const store::Row& row) { return Name{row.string(0), row.string(1)}; });
            },
            deadline);
      }};
}

personal::Place personalTokens(BackendTokens* tokens) {
  return {.name = "tokens",
          .doc = "What is remembered of tokens, for a minute at the most, is forgotten.",
          .erase = [tokens](const Person& person, Deadline) -> Result<Erased> {
            if (tokens == nullptr) return Erased{};
            return Erased{static_cast<std::int64_t>(tokens->forget(person.principal))};
          }};
}

}  // namespace corbel::identity
