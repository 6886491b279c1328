#include "secrets/vault.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "base/text.h"
#include "crypto/encoding.h"
#include "data_key_store.h"
#include "secrets/key_file.h"

namespace corbel::secrets {
namespace {

constexpr int kWrappedAtOnce = 100;

// Every part with its length, so that no two lists make one text.
std::string associated(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += fmt::format("{}:{}", part.size(), part);
  return text;
}

std::string associatedOf(const Place& place, std::string_view dataKey) {
  return associated(
      {"corbel sealed value 1", place.table, place.column, place.tenant, place.row, dataKey});
}

std::string associatedOf(std::string_view id, std::string_view tenant, std::string_view master) {
  return associated({"corbel data key 1", id, tenant, master});
}

std::unexpected<Error> damaged(const Place& place, std::string_view why) {
  return fail(ErrorCode::internal, "A secret that is kept here cannot be opened.",
              fmt::format("{}.{} of row {}: {}", place.table, place.column, place.row, why));
}

}  // namespace

Result<std::unique_ptr<Vault>> Vault::open(Parts parts, MasterKeySource source, Deadline deadline) {
  std::unique_ptr<Vault> vault(new Vault(parts, std::move(source)));
  auto loaded = vault->loadMasterKeys();
  if (!loaded && loaded.error().code == ErrorCode::notFound)
    loaded = vault->makeMasterKey(deadline);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  CORBEL_CHECK(vault->dataKey("", deadline));
  const MutexLock lock(vault->refreshing_);
  CORBEL_TRY(const int changed, vault->wrapAnew(deadline));
  if (changed > 0) CORBEL_CHECK(vault->forgetOldKeys());
  return vault;
}

std::string Vault::where() const {
  return source_.text.empty() ? "the key file " + source_.file : "the setting secrets.masterKey";
}

Vault::FileState Vault::fileState() const {
  struct stat state = {};
  if (stat(source_.file.c_str(), &state) != 0) return {};
  return {.modifiedNs = state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec,
          .inode = state.st_ino,
          .size = state.st_size};
}

Result<MasterKeys> Vault::readMasterKeys() const {
  Secret text = source_.text;
  if (text.empty()) {
    CORBEL_TRY(text, readKeyFile(source_.file));
  }
  return MasterKeys::parse(text.reveal(), where());
}

Result<void> Vault::loadMasterKeys() {
  CORBEL_TRY(auto keys, readMasterKeys());
  const MutexLock lock(mutex_);
  masters_ = std::make_shared<const MasterKeys>(std::move(keys));
  return {};
}

Result<void> Vault::makeMasterKey(Deadline deadline) {
  CORBEL_TRY(const bool any, parts_.database.read(data_key_store::any, deadline));
  if (any) {
    return fail(ErrorCode::failedPrecondition,
                fmt::format("There are sealed secrets, and {} is missing. Put it back: without it "
                            "they cannot be opened. It is not part of a backup of the database.",
                            where()));
  }
  CORBEL_CHECK(writeKeyFile(source_.file, MasterKey::generate(parts_.random).text()));
  return loadMasterKeys();
}

Vault::MasterKeysRef Vault::masterKeys() const {
  const MutexLock lock(mutex_);
  return masters_;
}

std::string Vault::masterKey() const { return masterKeys()->current().id; }

Result<crypto::AeadKey> Vault::unwrap(const StoredKey& stored) {
  MasterKeysRef masters = masterKeys();
  // Another process may have sealed it with a key that is new in the file.
  if (masters->find(stored.masterKey) == nullptr && source_.text.empty() && loadMasterKeys())
    masters = masterKeys();
  const MasterKey* const master = masters->find(stored.masterKey);
  if (master == nullptr) {
    return fail(ErrorCode::failedPrecondition,
                fmt::format("Secrets are sealed by the master key {}, and {} holds {}. Put the key "
                            "back, behind the one that shall be used from now on.",
                            stored.masterKey, where(), masters->ids()));
  }
  const auto wrapped = crypto::fromBase64Url(stored.wrapped);
  const auto opened =
      wrapped ? master->key.open(*wrapped, associatedOf(stored.id, stored.tenant, stored.masterKey))
              : std::nullopt;
  if (!opened) {
    return fail(ErrorCode::internal, "A key of the database is damaged.",
                fmt::format("data key {} of tenant '{}' does not open", stored.id, stored.tenant));
  }
  return crypto::AeadKey::fromBytes(opened->reveal());
}

StoredKey Vault::wrap(std::string id, std::string_view tenant, const crypto::AeadKey& key,
                      const MasterKey& master) const {
  const std::string wrapped =
      master.key.seal(key.bytes().reveal(), associatedOf(id, tenant, master.id), parts_.random);
  return {.id = std::move(id),
          .tenant = std::string(tenant),
          .masterKey = master.id,
          .wrapped = crypto::toBase64Url(crypto::bytesOf(wrapped))};
}

// Two processes may make the same tenant's key: the first row is it.
Result<StoredKey> Vault::makeDataKey(std::string_view tenant, Deadline deadline) {
  const auto key = crypto::AeadKey::generate(parts_.random);
  const StoredKey fresh = wrap(parts_.ids.next(), tenant, key, masterKeys()->current());
  // No part of the change that needs the key.
  CORBEL_CHECK(parts_.database.writeAndWait({.apply =
                                                 [&](store::Transaction& tx) {
                                                   return data_key_store::insert(
                                                       tx, fresh, parts_.clock.now());
                                                 },
                                             .done = {},
                                             .deadline = deadline}));
  CORBEL_TRY(
      const auto kept,
      parts_.database.read(
          [&](store::Reader& reader) { return data_key_store::find(reader, tenant); }, deadline));
  if (!kept) return fail(ErrorCode::internal, "A key that was just made is missing.");
  const auto masters = readMasterKeys();
  const bool isRotated = masters && masters->current().id != fresh.masterKey;
  if (kept->id != fresh.id || !isRotated) return *kept;
  // A rotation has begun meanwhile. It may have looked for keys to seal anew before this one was
  // there, and takes away the master key that has sealed it.
  const StoredKey anew = wrap(fresh.id, tenant, key, masters->current());
  CORBEL_CHECK(parts_.database.writeAndWait({.apply =
                                                 [&](store::Transaction& tx) {
                                                   return data_key_store::replace(tx, anew,
                                                                                  fresh.masterKey);
                                                 },
                                             .done = {},
                                             .deadline = deadline}));
  return anew;
}

Result<Vault::DataKeyRef> Vault::dataKey(std::string_view tenant, Deadline deadline) {
  {
    const MutexLock lock(mutex_);
    if (const auto known = keys_.find(tenant); known != keys_.end()) return known->second;
  }
  CORBEL_TRY(
      auto stored,
      parts_.database.read(
          [&](store::Reader& reader) { return data_key_store::find(reader, tenant); }, deadline));
  if (!stored) {
    CORBEL_TRY(stored, makeDataKey(tenant, deadline));
  }
  CORBEL_TRY(auto key, unwrap(*stored));
  auto made = std::make_shared<const DataKey>(stored->id, std::move(key));
  const MutexLock lock(mutex_);
  if (keys_.size() >= kCachedKeys) keys_.clear();
  keys_.insert_or_assign(std::string(tenant), made);
  return made;
}

Result<std::string> Vault::seal(const Place& place, const Secret& secret, Deadline deadline) {
  CORBEL_TRY(const DataKeyRef key, dataKey(place.tenant, deadline));
  const std::string sealed =
      key->key.seal(secret.reveal(), associatedOf(place, key->id), parts_.random);
  return fmt::format("{}{}.{}", kMark, key->id, crypto::toBase64Url(crypto::bytesOf(sealed)));
}

Result<Secret> Vault::unseal(const Place& place, std::string_view sealed, Deadline deadline) {
  if (!isSealed(sealed)) return damaged(place, "it is not sealed");
  std::string_view rest = sealed.substr(kMark.size());
  const std::string_view id = takeUntil(rest, '.');
  const auto bytes = crypto::fromBase64Url(rest);
  if (!bytes) return damaged(place, "it is no base64url");
  CORBEL_TRY(const DataKeyRef key, dataKey(place.tenant, deadline));
  if (key->id != id) return damaged(place, "another tenant's key has sealed it");
  auto opened = key->key.open(*bytes, associatedOf(place, key->id));
  if (!opened) return damaged(place, "it was changed, or sealed at another place");
  return *std::move(opened);
}

Result<Secret> Vault::shared(std::string_view name, Deadline deadline) {
  const Place place{.table = "installation_secrets", .column = "sealed", .tenant = "", .row = name};
  const auto find = [&](store::Reader& reader) {
    return data_key_store::sharedSecret(reader, name);
  };
  CORBEL_TRY(auto sealed, parts_.database.read(find, deadline));
  if (!sealed) {
    const Secret fresh = MasterKey::generate(parts_.random).text();
    CORBEL_TRY(const std::string own, seal(place, fresh, deadline));
    CORBEL_CHECK(parts_.database.writeAndWait({.apply =
                                                   [&](store::Transaction& tx) {
                                                     return data_key_store::insertShared(
                                                         tx, name, own, parts_.clock.now());
                                                   },
                                               .done = {},
                                               .deadline = deadline}));
    CORBEL_TRY(sealed, parts_.database.read(find, deadline));
  }
  if (!sealed) return damaged(place, "it was just made and is missing");
  return unseal(place, *sealed, deadline);
}

Result<int> Vault::wrapAnew(Deadline deadline) {
  const MasterKeysRef masters = masterKeys();
  const MasterKey& current = masters->current();
  int changed = 0;
  std::string after;
  while (true) {
    CORBEL_TRY(const auto stored, parts_.database.read(
                                      [&](store::Reader& reader) {
                                        return data_key_store::wrappedByOthers(
                                            reader, current.id, after, kWrappedAtOnce);
                                      },
                                      deadline));
    if (stored.empty()) return changed;
    after = stored.back().id;
    std::vector<StoredKey> fresh;
    for (const StoredKey& old : stored) {
      CORBEL_TRY(const auto key, unwrap(old));
      fresh.push_back(wrap(old.id, old.tenant, key, current));
    }
    CORBEL_CHECK(parts_.database.write(
        [&](store::Transaction& tx) -> Result<void> {
          for (std::size_t i = 0; i < fresh.size(); ++i)
            CORBEL_CHECK(data_key_store::replace(tx, fresh[i], stored[i].masterKey));
          return {};
        },
        deadline));
    changed += static_cast<int>(fresh.size());
  }
}

// The current key has sealed everything: a thief of the others shall open nothing.
Result<void> Vault::forgetOldKeys() {
  const MasterKeysRef masters = masterKeys();
  if (!source_.text.empty() || masters->all().size() == 1) return {};
  CORBEL_CHECK(writeKeyFile(source_.file, masters->current().text()));
  return loadMasterKeys();
}

Result<int> Vault::refresh(Deadline deadline) {
  if (!source_.text.empty()) return 0;
  const MutexLock lock(refreshing_);
  // Before it is read: a file that is replaced meanwhile is looked at again.
  const FileState now = fileState();
  {
    const MutexLock state(mutex_);
    if (now == seen_) return 0;
  }
  CORBEL_CHECK(loadMasterKeys());
  CORBEL_TRY(const int changed, wrapAnew(deadline));
  if (changed > 0) CORBEL_CHECK(forgetOldKeys());
  const MutexLock state(mutex_);
  seen_ = now;
  return changed;
}

Result<std::string> rotateMasterKey(const std::string& file, Random& random) {
  CORBEL_TRY(const Secret text, readKeyFile(file));
  CORBEL_TRY(const auto keys, MasterKeys::parse(text.reveal(), "the key file " + file));
  if (keys.all().size() >= MasterKeys::kMax) {
    return fail(ErrorCode::failedPrecondition,
                fmt::format("The key file {} holds {} master keys, the most allowed. Start the "
                            "server: it seals all secrets with the first one and takes the others "
                            "out.",
                            file, keys.all().size()));
  }
  // A rotation before this one may not have been carried out: then the others are still needed.
  std::vector<MasterKey> all = keys.all();
  all.insert(all.begin(), MasterKey::generate(random));
  const std::string id = all.front().id;
  CORBEL_CHECK(writeKeyFile(file, MasterKeys(std::move(all)).text()));
  return id;
}

}  // namespace corbel::secrets
