#include "identity/api_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "api_key_store.h"
#include "base/limits.h"
#include "checks.h"
#include "crypto/sha256.h"
#include "key_grant.h"
#include "key_table.h"
#include "key_text.h"
#include "secrets/key_file.h"

namespace corbel::identity {
namespace {

// One answer for every reason, so that nobody learns which keys exist; the log learns it.
std::unexpected<Error> refused(std::string_view reason) {
  return fail(ErrorCode::unauthenticated, "The API key is not valid.", std::string(reason));
}

std::unexpected<Error> noSuchKey(std::string_view id) {
  return fail(ErrorCode::notFound, fmt::format("There is no API key '{}'.", id));
}

// How many are read at once: a read may not take longer than the store allows.
constexpr int kLoadedAtOnce = 1'000;

std::int64_t msOf(const std::optional<Timestamp>& time) {
  return time.value_or(Timestamp()).time_since_epoch().count();
}

// `lastUsedAt`: which the row may not know yet.
KeyEntryRef entryOf(const StoredKey& stored, const std::optional<Timestamp>& lastUsedAt) {
  const ApiKey& key = stored.key;
  Membership membership{.tenant = key.tenant, .roles = {}, .permissions = key.permissions};
  if (!key.role.empty()) membership.roles.push_back(key.role);
  auto entry = std::make_shared<KeyEntry>();
  entry->id = key.id;
  entry->principal =
      std::make_shared<const Principal>(Principal{.kind = PrincipalKind::apiKey,
                                                  .id = "key:" + key.id,
                                                  .name = key.name,
                                                  .memberships = {std::move(membership)},
                                                  .limits = key.limits,
                                                  .expiresAt = key.expiresAt});
  entry->secret = stored.hashes.secret;
  entry->previous = stored.hashes.previous;
  entry->previousUntil = stored.hashes.previousUntil;
  entry->expiresAt = key.expiresAt;
  entry->lastUsedMs = msOf(lastUsedAt);
  entry->savedMs = msOf(key.lastUsedAt);
  return entry;
}

Result<void> checkGrace(std::chrono::seconds grace) {
  if (grace >= std::chrono::seconds(0) && grace <= ApiKeys::kMaxGrace) return {};
  return failField("/graceSeconds", fmt::format("must be from 0 to {}",
                                                std::chrono::seconds(ApiKeys::kMaxGrace).count()));
}

}  // namespace

struct ApiKeys::Fresh {
  StoredKey stored;
  MintedKey minted;
};

ApiKeys::ApiKeys(Parts parts) : parts_(parts), table_(std::make_unique<KeyTable>()) {}
ApiKeys::~ApiKeys() = default;

Result<std::unique_ptr<ApiKeys>> ApiKeys::load(Parts parts, Deadline deadline) {
  std::unique_ptr<ApiKeys> keys(new ApiKeys(parts));
  CORBEL_TRY(const auto stored, keys->usable(deadline));
  for (const StoredKey& key : stored)
    keys->table_->put(key.key.prefix, entryOf(key, key.key.lastUsedAt));
  return keys;
}

Result<std::vector<StoredKey>> ApiKeys::usable(Deadline deadline) const {
  std::vector<StoredKey> all;
  std::string last;
  for (bool more = true; more;) {
    CORBEL_TRY(auto stored, parts_.database.read(
                                [&](store::Reader& reader) {
                                  return api_key_store::usable(reader, last, kLoadedAtOnce);
                                },
                                deadline));
    more = stored.size() == std::size_t{kLoadedAtOnce};
    std::ranges::move(stored, std::back_inserter(all));
    if (more) last = all.back().key.id;
  }
  return all;
}

Result<void> ApiKeys::refresh(Deadline deadline) {
  const MutexLock lock(changes_);
  CORBEL_TRY(const auto stored, usable(deadline));
  std::set<std::string_view> prefixes;
  for (const StoredKey& key : stored) {
    prefixes.insert(key.key.prefix);
    const KeyEntryRef known = table_->find(key.key.prefix);
    const bool same = known != nullptr && known->secret == key.hashes.secret;
    if (!same) table_->put(key.key.prefix, entryOf(key, withLastUse(key.key).lastUsedAt));
  }
  for (const std::string& prefix : table_->prefixes()) {
    if (!prefixes.contains(prefix)) table_->remove(prefix);
  }
  return {};
}

Result<PrincipalRef> ApiKeys::verify(std::string_view credential) const {
  const auto presented = parseKeyText(credential);
  if (!presented) return refused("API key: malformed");
  const KeyEntryRef entry = table_->find(presented->prefix);
  if (entry == nullptr) return refused("API key: unknown or revoked prefix");
  const Timestamp now = parts_.clock.now();
  if (!entry->proves(crypto::sha256(presented->secret), now))
    return refused("API key: wrong secret");
  if (entry->expiresAt && *entry->expiresAt <= now) return refused("API key: expired");
  entry->touch(now);
  return entry->principal;
}

bool ApiKeys::anyUsable() const {
  return std::ranges::any_of(table_->all(), [now = parts_.clock.now()](const KeyEntryRef& entry) {
    return !entry->expiresAt || *entry->expiresAt > now;
  });
}

ApiKeys::Fresh ApiKeys::fresh(const NewApiKey& key, const KeyGrant& grant, const Actor& by) const {
  const Secret secret(randomWord(parts_.random, kKeySecretLength));
  ApiKey made{.id = parts_.ids.next(),
              .tenant = by.membership.tenant,
              .name = key.name,
              .prefix = randomWord(parts_.random, kKeyPrefixLength),
              .role = grant.role,
              .permissions = grant.permissions,
              .limits = grant.limits,
              .createdBy = by.principal.id,
              .createdAt = parts_.clock.now(),
              .expiresAt = grant.expiresAt,
              .lastUsedAt = {},
              .revokedAt = {}};
  Secret text = keyText(made.prefix, secret);
  return {{made, {.secret = crypto::sha256(secret.reveal())}}, {made, std::move(text)}};
}

Result<MintedKey> ApiKeys::create(const NewApiKey& key, const Actor& by, Deadline deadline) {
  CORBEL_TRY(const KeyGrant grant, grantFor(key, by, parts_.directory, parts_.clock.now()));
  Fresh made = fresh(key, grant, by);
  const MutexLock lock(changes_);
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const auto count, api_key_store::countUsable(tx, by.membership.tenant));
        if (count >= limits::kApiKeysPerTenant) {
          return fail(ErrorCode::resourceExhausted,
                      fmt::format("A tenant may have {} API keys. Revoke one that is not needed.",
                                  limits::kApiKeysPerTenant));
        }
        CORBEL_CHECK(api_key_store::insert(tx, made.stored));
        return tell(tx, events::kKeyCreated, made.stored.key, by);
      },
      deadline));
  wakeOutbox();
  table_->put(made.stored.key.prefix, entryOf(made.stored, {}));
  return std::move(made.minted);
}

// The row knows the last use as of the last saving, the table as of now.
ApiKey ApiKeys::withLastUse(ApiKey key) const {
  const KeyEntryRef entry = table_->find(key.prefix);
  const std::int64_t usedMs = entry == nullptr ? 0 : entry->lastUsedMs.load();
  if (usedMs > 0) key.lastUsedAt = Timestamp(std::chrono::milliseconds(usedMs));
  return key;
}

Result<std::vector<ApiKey>> ApiKeys::list(const Actor& by, std::string_view after, int limit,
                                          Deadline deadline) const {
  CORBEL_TRY(auto keys, parts_.database.read(
                            [&](store::Reader& reader) {
                              return api_key_store::list(reader, by.membership.tenant, after,
                                                         limit);
                            },
                            deadline));
  for (ApiKey& key : keys) key = withLastUse(std::move(key));
  return keys;
}

Result<StoredKey> ApiKeys::find(std::string_view id, const Actor& by, Deadline deadline) const {
  CORBEL_TRY(auto found, parts_.database.read(
                             [&](store::Reader& reader) {
                               return api_key_store::find(reader, by.membership.tenant, id);
                             },
                             deadline));
  if (!found) return noSuchKey(id);
  return *std::move(found);
}

Result<ApiKey> ApiKeys::get(std::string_view id, const Actor& by, Deadline deadline) const {
  CORBEL_TRY(StoredKey found, find(id, by, deadline));
  return withLastUse(std::move(found.key));
}

Result<MintedKey> ApiKeys::rotate(std::string_view id, std::chrono::seconds grace, const Actor& by,
                                  Deadline deadline) {
  CORBEL_CHECK(checkGrace(grace));
  const MutexLock lock(changes_);
  CORBEL_TRY(StoredKey stored, find(id, by, deadline));
  // Whoever holds the new secret has the key's rights.
  CORBEL_CHECK(checkDelegation(stored.key.permissions, by));
  CORBEL_CHECK(checkBounds(stored.key, by));
  if (stored.key.revokedAt) return fail(ErrorCode::failedPrecondition, "The key was revoked.");
  const Secret secret(randomWord(parts_.random, kKeySecretLength));
  stored.hashes = {.secret = crypto::sha256(secret.reveal()),
                   .previous = stored.hashes.secret,
                   .previousUntil = parts_.clock.now() + grace};
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(api_key_store::setHashes(tx, id, stored.hashes));
        return tell(tx, events::kKeyRotated, stored.key, by);
      },
      deadline));
  wakeOutbox();
  ApiKey rotated = withLastUse(stored.key);
  table_->put(stored.key.prefix, entryOf(stored, rotated.lastUsedAt));
  Secret text = keyText(rotated.prefix, secret);
  return MintedKey{std::move(rotated), std::move(text)};
}

Result<void> ApiKeys::revoke(std::string_view id, const Actor& by, Deadline deadline) {
  const MutexLock lock(changes_);
  CORBEL_TRY(const StoredKey stored, find(id, by, deadline));
  CORBEL_CHECK(checkDelegation(stored.key.permissions, by));
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(api_key_store::revoke(tx, id, parts_.clock.now()));
        CORBEL_CHECK(
            api_key_store::forgetRevoked(tx, by.membership.tenant, limits::kApiKeysPerTenant));
        if (stored.key.revokedAt) return {};
        return tell(tx, events::kKeyRevoked, stored.key, by);
      },
      deadline));
  wakeOutbox();
  table_->remove(stored.key.prefix);
  return {};
}

Result<void> ApiKeys::tell(store::Transaction& tx, const events::EventType& type, const ApiKey& key,
                           const Actor& by) const {
  if (parts_.outbox == nullptr) return {};
  return parts_.outbox->append(tx, {.type = type,
                                    .tenant = key.tenant,
                                    .subject = "keys/" + key.id,
                                    .partitionKey = key.id,
                                    .data = events::toData({{"id", key.id},
                                                            {"name", key.name},
                                                            {"prefix", key.prefix},
                                                            {"actor", by.principal.id}})});
}

Result<void> ApiKeys::saveLastUse(Deadline deadline) {
  struct Use {
    KeyEntryRef entry;
    std::int64_t atMs;
  };
  std::vector<Use> uses;
  for (KeyEntryRef& entry : table_->all()) {
    const std::int64_t atMs = entry->lastUsedMs.load(std::memory_order_relaxed);
    if (atMs > entry->savedMs.load(std::memory_order_relaxed))
      uses.push_back({std::move(entry), atMs});
  }
  if (uses.empty()) return {};
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        for (const Use& use : uses) {
          CORBEL_CHECK(api_key_store::setLastUse(tx, use.entry->id,
                                                 Timestamp(std::chrono::milliseconds(use.atMs))));
        }
        return {};
      },
      deadline));
  for (const Use& use : uses) use.entry->savedMs.store(use.atMs, std::memory_order_relaxed);
  return {};
}

Result<std::optional<MintedKey>> ApiKeys::ensureFirstKey(const std::string& file,
                                                         Deadline deadline) {
  const MutexLock lock(changes_);
  CORBEL_TRY(const bool any, parts_.database.read(api_key_store::any, deadline));
  if (any) return std::nullopt;
  const Principal installation = operatorOf(std::string(kDefaultTenant));
  const Actor by{installation, installation.memberships.front()};
  const NewApiKey key{.name = "first key", .role = "owner"};
  CORBEL_TRY(const KeyGrant grant, grantFor(key, by, parts_.directory, parts_.clock.now()));
  Fresh made = fresh(key, grant, by);
  // The file first: a stop in between leaves a text that opens nothing, and the next start makes
  // another key. The other way round it would leave a key that nobody knows.
  CORBEL_CHECK(secrets::writeKeyFile(file, made.minted.text));
  const auto stored = parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(api_key_store::insert(tx, made.stored));
        return tell(tx, events::kKeyCreated, made.stored.key, by);
      },
      deadline);
  if (!stored) {
    secrets::removeKeyFile(file);
    return std::unexpected(stored.error());
  }
  table_->put(made.stored.key.prefix, entryOf(made.stored, {}));
  return std::move(made.minted);
}

}  // namespace corbel::identity
