#include "identity/api_keys.h"

#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "base/limits.h"
#include "crypto/sha256.h"
#include "identity_fixture.h"
#include "key_text.h"

namespace corbel::identity {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const Deadline kSoon = Deadline::never();

class ApiKeysTest : public IdentityTest {
 protected:
  std::unique_ptr<ApiKeys> load() {
    return mustBe(ApiKeys::load({*database, *directory, clock, random, ids}, kSoon));
  }
  MintedKey mint(const NewApiKey& key, const Actor& by) {
    return mustBe(keys->create(key, by, kSoon));
  }
  bool opens(const Secret& text) { return keys->verify(text.reveal()).has_value(); }
  std::string keyFile() const { return (folder.path() / "admin-key").string(); }

  Caller owner = caller("default", "owner");
  std::unique_ptr<ApiKeys> keys = load();
};

using Keys = ApiKeysTest;
using Delegation = ApiKeysTest;
using FirstKey = ApiKeysTest;

TEST_F(Keys, OpenTheirTenantWithTheirRole) {
  const MintedKey minted =
      mint({.name = "ci", .role = "developer", .limits = {.requestsPerMinute = 100}}, owner);
  const PrincipalRef principal = mustBe(keys->verify(minted.text.reveal()));
  EXPECT_EQ(principal->kind, PrincipalKind::apiKey);
  EXPECT_EQ(principal->id, "key:" + minted.key.id);
  EXPECT_EQ(principal->name, "ci");
  EXPECT_EQ(principal->limits.requestsPerMinute, 100u);
  EXPECT_EQ(mustBe(chooseTenant(*principal, ""))->permissions, *builtInRole("developer"));
}

TEST_F(Keys, AreStillGoodAfterARestart) {
  const MintedKey minted = mint(
      {.name = "ci", .permissions = {Permission::modelsRead}, .expiresAt = clock.now() + hours(1)},
      owner);
  keys = load();
  EXPECT_EQ(mustBe(keys->verify(minted.text.reveal()))->memberships.front().permissions,
            PermissionSet{Permission::modelsRead});
  clock.advance(hours(1));
  EXPECT_FALSE(opens(minted.text));
}

TEST_F(Keys, AreNowhereStoredAsText) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  database.reset();
  const std::string secret(parseKeyText(minted.text.reveal())->secret);
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    std::ifstream stream(file.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(stream)), {});
    EXPECT_EQ(content.find(secret), std::string::npos) << file.path();
  }
  keys.reset();
}

TEST_F(Keys, AreRefusedWhenTheSecretIsWrongInAnyPlace) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  const std::string good(minted.text.reveal());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string wrong = good;
    wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
    const auto verified = keys->verify(wrong);
    ASSERT_FALSE(verified.has_value()) << i;
    EXPECT_EQ(verified.error().code, ErrorCode::unauthenticated);
    EXPECT_EQ(verified.error().message, "The API key is not valid.");
  }
}

TEST_F(Keys, ThatShareNothingButTheirPrefixAreDifferent) {
  const MintedKey first = mint({.name = "a", .role = "viewer"}, owner);
  const MintedKey second = mint({.name = "b", .role = "viewer"}, owner);
  const auto mixed =
      keyText(first.key.prefix, Secret(std::string(parseKeyText(second.text.reveal())->secret)));
  EXPECT_FALSE(opens(mixed));
  EXPECT_NE(mustBe(keys->verify(first.text.reveal()))->id,
            mustBe(keys->verify(second.text.reveal()))->id);
}

TEST_F(Keys, AreRefusedFromTheMomentTheyExpire) {
  const MintedKey minted =
      mint({.name = "ci", .role = "viewer", .expiresAt = clock.now() + seconds(10)}, owner);
  clock.advance(std::chrono::milliseconds(9'999));
  EXPECT_TRUE(opens(minted.text));
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_FALSE(opens(minted.text));
}

TEST_F(Keys, AreRefusedAsSoonAsTheyAreRevoked) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  ASSERT_TRUE(keys->revoke(minted.key.id, owner, kSoon));
  EXPECT_FALSE(opens(minted.text));
  EXPECT_TRUE(keys->revoke(minted.key.id, owner, kSoon));
  EXPECT_EQ(keys->rotate(minted.key.id, hours(1), owner, kSoon).error().code,
            ErrorCode::failedPrecondition);
  EXPECT_EQ(mustBe(keys->get(minted.key.id, owner, kSoon)).revokedAt, clock.now());
  keys = load();
  EXPECT_FALSE(opens(minted.text));
}

TEST_F(Keys, AreUsableUntilTheyExpireOrAreRevoked) {
  EXPECT_FALSE(keys->anyUsable());
  mint({.name = "short", .role = "viewer", .expiresAt = clock.now() + hours(1)}, owner);
  const MintedKey lasting = mint({.name = "lasting", .role = "viewer"}, owner);
  EXPECT_TRUE(keys->anyUsable());
  ASSERT_TRUE(keys->revoke(lasting.key.id, owner, kSoon));
  EXPECT_TRUE(keys->anyUsable());
  clock.advance(hours(1));
  EXPECT_FALSE(keys->anyUsable());
  EXPECT_FALSE(load()->anyUsable());
}

TEST_F(Keys, KeepTheOldSecretForTheGraceAfterRotation) {
  const MintedKey old = mint({.name = "ci", .role = "viewer"}, owner);
  const MintedKey fresh = mustBe(keys->rotate(old.key.id, seconds(60), owner, kSoon));
  EXPECT_EQ(fresh.key.id, old.key.id);
  EXPECT_TRUE(opens(fresh.text));
  EXPECT_TRUE(opens(old.text));
  keys = load();
  clock.advance(seconds(59));
  EXPECT_TRUE(opens(old.text));
  clock.advance(seconds(1));
  EXPECT_FALSE(opens(old.text));
  EXPECT_TRUE(opens(fresh.text));
}

TEST_F(Keys, RotatedWithoutGraceLoseTheOldSecretAtOnce) {
  const MintedKey old = mint({.name = "ci", .role = "viewer"}, owner);
  mustBe(keys->rotate(old.key.id, seconds(0), owner, kSoon));
  EXPECT_FALSE(opens(old.text));
  EXPECT_EQ(keys->rotate(old.key.id, hours(24 * 8), owner, kSoon).error().code,
            ErrorCode::invalidArgument);
  EXPECT_EQ(keys->rotate(old.key.id, seconds(-1), owner, kSoon).error().code,
            ErrorCode::invalidArgument);
}

TEST_F(Keys, RememberTheirLastUseInBatches) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  EXPECT_EQ(mustBe(keys->get(minted.key.id, owner, kSoon)).lastUsedAt, std::nullopt);
  clock.advance(seconds(5));
  EXPECT_TRUE(opens(minted.text));
  const Timestamp used = clock.now();
  ASSERT_TRUE(keys->saveLastUse(kSoon));
  const auto before = database->stats().unitsCommitted;
  ASSERT_TRUE(keys->saveLastUse(kSoon));
  EXPECT_EQ(database->stats().unitsCommitted, before);
  keys = load();
  EXPECT_EQ(mustBe(keys->get(minted.key.id, owner, kSoon)).lastUsedAt, used);
}

TEST_F(Keys, RememberTheirLastUseThroughARotation) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  clock.advance(seconds(5));
  EXPECT_TRUE(opens(minted.text));
  const Timestamp used = clock.now();
  mustBe(keys->rotate(minted.key.id, seconds(0), owner, kSoon));
  ASSERT_TRUE(keys->saveLastUse(kSoon));
  keys = load();
  EXPECT_EQ(mustBe(keys->get(minted.key.id, owner, kSoon)).lastUsedAt, used);
}

class ManyKeys : public ApiKeysTest {
 protected:
  // Of the default tenant, in the store alone, with ids below and above all that are made.
  void add(int count, std::optional<Timestamp> revokedAt) {
    mustBe(database->write(
        [&](store::Transaction& tx) {
          return tx.change(
              "INSERT INTO api_keys (id, tenant_id, name, prefix, secret_hash, role, permissions, "
              "created_by, created_at, revoked_at) WITH RECURSIVE n(i) AS "
              "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
              "SELECT CASE i % 2 WHEN 0 THEN '.' ELSE 'z' END || i, 'default', 'n', 'p' || i, '', "
              "'viewer', '', 'test', 0, ? FROM n",
              count, revokedAt);
        },
        kSoon));
  }
  std::int64_t rows() {
    return *mustBe(database->read(
        [](store::Reader& reader) {
          return reader.query("SELECT COUNT(*) FROM api_keys").one([](const store::Row& row) {
            return row.integer(0);
          });
        },
        kSoon));
  }
};

TEST_F(ManyKeys, AreLoadedToTheLast) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  add(2'500, {});
  keys = load();
  EXPECT_TRUE(opens(minted.text));
  EXPECT_EQ(mustBe(keys->get("z2499", owner, kSoon)).name, "n");
}

TEST_F(ManyKeys, OfOneTenantAreRefused) {
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  add(limits::kApiKeysPerTenant - 1, {});
  const NewApiKey more{.name = "more", .role = "viewer"};
  EXPECT_EQ(keys->create(more, owner, kSoon).error().code, ErrorCode::resourceExhausted);
  ASSERT_TRUE(keys->revoke(minted.key.id, owner, kSoon));
  EXPECT_TRUE(keys->create(more, owner, kSoon));
  addTenant("acme");
  EXPECT_TRUE(keys->create(more, caller("acme", "owner"), kSoon));
}

TEST_F(ManyKeys, ThatWereRevokedAreForgottenInTheEnd) {
  add(limits::kApiKeysPerTenant + 5, clock.now());
  clock.advance(seconds(1));
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  ASSERT_TRUE(keys->revoke(minted.key.id, owner, kSoon));
  EXPECT_EQ(rows(), limits::kApiKeysPerTenant);
  EXPECT_TRUE(mustBe(keys->get(minted.key.id, owner, kSoon)).revokedAt);
}

// A database on which something happens between a commit and its answer.
class Interrupted final : public store::Database {
 public:
  explicit Interrupted(store::Database& real) : real_(real) {}
  std::function<void()> afterCommit;

  void write(store::UnitOfWork unit) override { real_.write(std::move(unit)); }
  Result<void> writeAndWait(store::UnitOfWork unit) override {
    auto outcome = real_.writeAndWait(std::move(unit));
    if (auto then = std::exchange(afterCommit, nullptr)) then();
    return outcome;
  }
  Result<std::unique_ptr<store::MigrationLock>> openMigrationLock() override {
    return real_.openMigrationLock();
  }
  Result<void> checkIntegrity(Deadline deadline) override { return real_.checkIntegrity(deadline); }
  store::StoreState state() const override { return real_.state(); }
  store::DatabaseStats stats() const override { return real_.stats(); }

 private:
  Result<void> readOn(std::move_only_function<Result<void>(store::Reader&)> fn,
                      Deadline deadline) override {
    return real_.read(fn, deadline);
  }
  store::Database& real_;
};

TEST_F(Keys, AreGoneWhenTheyAreRevokedBeforeTheirMakerLearnsOfThem) {
  Interrupted interrupted(*database);
  keys = mustBe(ApiKeys::load({interrupted, *directory, clock, random, ids}, kSoon));
  std::future<void> revoked;
  interrupted.afterCommit = [&] {
    revoked = std::async(std::launch::async, [&] {
      const std::string id = mustBe(keys->list(owner, "", 1, kSoon)).front().id;
      EXPECT_TRUE(keys->revoke(id, owner, kSoon));
    });
    revoked.wait_for(std::chrono::milliseconds(50));
  };
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  revoked.wait();
  EXPECT_FALSE(opens(minted.text));
}

TEST_F(Keys, AreListedInTheirOrderPageByPage) {
  std::vector<std::string> made;
  for (const char* name : {"a", "b", "c"})
    made.push_back(mint({.name = name, .role = "viewer"}, owner).key.id);
  const auto first = mustBe(keys->list(owner, "", 2, kSoon));
  ASSERT_EQ(first.size(), 2u);
  const auto rest = mustBe(keys->list(owner, first.back().id, 2, kSoon));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ((std::vector{first[0].id, first[1].id, rest[0].id}), made);
  EXPECT_EQ(first[0].role, "viewer");
}

TEST_F(Keys, OfAnotherTenantDoNotExist) {
  addTenant("acme");
  const MintedKey minted = mint({.name = "ci", .role = "viewer"}, owner);
  const Caller stranger = caller("acme", "owner");
  EXPECT_EQ(keys->get(minted.key.id, stranger, kSoon).error().code, ErrorCode::notFound);
  EXPECT_EQ(keys->rotate(minted.key.id, hours(1), stranger, kSoon).error().code,
            ErrorCode::notFound);
  EXPECT_EQ(keys->revoke(minted.key.id, stranger, kSoon).error().code, ErrorCode::notFound);
  EXPECT_TRUE(mustBe(keys->list(stranger, "", 50, kSoon)).empty());
  EXPECT_TRUE(opens(minted.text));
}

TEST_F(Keys, NeedANameAndEitherARoleOrPermissions) {
  const auto pointerOf = [&](const NewApiKey& key) {
    return keys->create(key, owner, kSoon).error().fields.at(0).pointer;
  };
  EXPECT_EQ(pointerOf({.name = "", .role = "viewer"}), "/name");
  EXPECT_EQ(pointerOf({.name = "a\nb", .role = "viewer"}), "/name");
  EXPECT_EQ(pointerOf({.name = "a"}), "/role");
  EXPECT_EQ(pointerOf({.name = "a", .role = "viewer", .permissions = {Permission::modelsRead}}),
            "/role");
  EXPECT_EQ(pointerOf({.name = "a", .role = "root"}), "/role");
  EXPECT_EQ(pointerOf({.name = "a", .role = "viewer", .limits = {.rowsPerMinute = 0}}),
            "/limits/rowsPerMinute");
  EXPECT_EQ(pointerOf({.name = "a", .role = "viewer", .expiresAt = clock.now()}), "/expiresAt");
}

TEST_F(Keys, AreVerifiedByManyThreadsWhileTheyChange) {
  const MintedKey stable = mint({.name = "stable", .role = "viewer"}, owner);
  const MintedKey changing = mint({.name = "changing", .role = "viewer"}, owner);
  std::atomic<bool> stop = false;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        while (!stop) {
          if (!opens(stable.text)) ++refused;
          opens(changing.text);
        }
      });
    }
    for (int i = 0; i < 20; ++i) mustBe(keys->rotate(changing.key.id, seconds(0), owner, kSoon));
    stop = true;
  }
  EXPECT_EQ(refused, 0);
}

TEST_F(Delegation, NeverGivesPermissionsThatTheMakerLacks) {
  const Caller developer = caller("default", "developer");
  for (const NewApiKey& key :
       {NewApiKey{.name = "x", .role = "admin"}, NewApiKey{.name = "x", .role = "owner"},
        NewApiKey{.name = "x", .permissions = {Permission::modelsRead, Permission::keysWrite}}}) {
    EXPECT_EQ(keys->create(key, developer, kSoon).error().code, ErrorCode::permissionDenied);
  }
  EXPECT_TRUE(keys->create({.name = "x", .role = "viewer"}, developer, kSoon));
}

TEST_F(Delegation, NamesWhatIsTooMuch) {
  const auto refused = keys->create({.name = "x", .permissions = {Permission::keysWrite}},
                                    caller("default", "viewer"), kSoon);
  EXPECT_EQ(refused.error().message, "/permissions: has keys:write, which you do not have");
}

TEST_F(Delegation, DoesNotLetAKeyWidenItsLimitsOrItsLife) {
  const MintedKey parent = mint({.name = "parent",
                                 .role = "admin",
                                 .limits = {.requestsPerMinute = 100},
                                 .expiresAt = clock.now() + hours(1)},
                                owner);
  const PrincipalRef principal = mustBe(keys->verify(parent.text.reveal()));
  const Actor by{*principal, principal->memberships.front()};
  EXPECT_EQ(
      keys->create({.name = "x", .role = "viewer", .limits = {.requestsPerMinute = 101}}, by, kSoon)
          .error()
          .code,
      ErrorCode::permissionDenied);
  EXPECT_EQ(
      keys->create({.name = "x", .role = "viewer", .expiresAt = clock.now() + hours(2)}, by, kSoon)
          .error()
          .code,
      ErrorCode::permissionDenied);
  const MintedKey child = mint({.name = "x", .role = "viewer"}, by);
  EXPECT_EQ(child.key.limits.requestsPerMinute, 100u);
  EXPECT_EQ(child.key.expiresAt, parent.key.expiresAt);
}

TEST_F(Delegation, DoesNotLetTheWeakTakeOverTheKeysOfTheStrong) {
  const MintedKey strong = mint({.name = "strong", .role = "owner"}, owner);
  const Caller admin = caller("default", "admin");
  EXPECT_EQ(keys->rotate(strong.key.id, hours(1), admin, kSoon).error().code,
            ErrorCode::permissionDenied);
  EXPECT_EQ(keys->revoke(strong.key.id, admin, kSoon).error().code, ErrorCode::permissionDenied);
  EXPECT_TRUE(opens(strong.text));
}

TEST_F(Delegation, DoesNotLetAKeyTakeOverOneThatIsWiderOrLivesLonger) {
  const MintedKey endless = mint({.name = "endless", .role = "admin"}, owner);
  const MintedKey bounded = mint({.name = "bounded",
                                  .role = "admin",
                                  .limits = {.requestsPerMinute = 100},
                                  .expiresAt = clock.now() + hours(1)},
                                 owner);
  const MintedKey narrower = mint({.name = "narrower",
                                   .role = "viewer",
                                   .limits = {.requestsPerMinute = 100},
                                   .expiresAt = clock.now() + hours(1)},
                                  owner);
  const MintedKey wider = mint({.name = "wider",
                                .role = "viewer",
                                .limits = {.requestsPerMinute = 101},
                                .expiresAt = clock.now() + hours(1)},
                               owner);
  const PrincipalRef principal = mustBe(keys->verify(bounded.text.reveal()));
  const Actor by{*principal, principal->memberships.front()};
  EXPECT_EQ(keys->rotate(endless.key.id, hours(1), by, kSoon).error().code,
            ErrorCode::permissionDenied);
  EXPECT_EQ(keys->rotate(wider.key.id, hours(1), by, kSoon).error().code,
            ErrorCode::permissionDenied);
  EXPECT_TRUE(keys->rotate(narrower.key.id, hours(1), by, kSoon));
  EXPECT_TRUE(keys->rotate(bounded.key.id, hours(1), by, kSoon)) << "its own";
  EXPECT_TRUE(opens(endless.text));
}

TEST_F(Delegation, CopiesACustomRoleSoThatItCannotGrowLater) {
  ASSERT_TRUE(directory->saveRole({.name = "analyst", .permissions = {Permission::modelsRead}},
                                  owner, kSoon));
  const MintedKey minted = mint({.name = "x", .role = "analyst"}, owner);
  ASSERT_TRUE(
      directory->saveRole({.name = "analyst", .permissions = PermissionSet::all()}, owner, kSoon));
  keys = load();
  EXPECT_EQ(mustBe(keys->verify(minted.text.reveal()))->memberships.front().permissions,
            PermissionSet{Permission::modelsRead});
}

TEST_F(FirstKey, IsAnOwnersKeyThatIsAlsoInAPrivateFile) {
  const auto first = mustBe(keys->ensureFirstKey(keyFile(), kSoon));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(mustBe(keys->verify(first->text.reveal()))->memberships.front().permissions,
            PermissionSet::all());
  std::ifstream stream(keyFile());
  std::string line;
  std::getline(stream, line);
  EXPECT_EQ(line, first->text.reveal());
  struct stat status{};
  ASSERT_EQ(stat(keyFile().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(FirstKey, IsMadeOnce) {
  ASSERT_TRUE(mustBe(keys->ensureFirstKey(keyFile(), kSoon)).has_value());
  EXPECT_FALSE(mustBe(keys->ensureFirstKey(keyFile(), kSoon)).has_value());
  keys = load();
  EXPECT_FALSE(mustBe(keys->ensureFirstKey(keyFile(), kSoon)).has_value());
}

TEST_F(Keys, OfAnotherProcessHoldAfterARefresh) {
  const auto other = load();
  const MintedKey stays = mint({.name = "stays", .role = "viewer"}, owner);
  const MintedKey revoked = mint({.name = "revoked", .role = "viewer"}, owner);
  const MintedKey rotated = mint({.name = "rotated", .role = "viewer"}, owner);
  const auto opensThere = [&](const Secret& text) {
    return other->verify(text.reveal()).has_value();
  };
  EXPECT_FALSE(opensThere(stays.text));
  ASSERT_TRUE(other->refresh(kSoon));
  EXPECT_TRUE(opensThere(stays.text));
  ASSERT_TRUE(keys->revoke(revoked.key.id, owner, kSoon));
  const MintedKey fresh =
      mustBe(keys->rotate(rotated.key.id, std::chrono::seconds(0), owner, kSoon));
  ASSERT_TRUE(other->refresh(kSoon));
  EXPECT_TRUE(opensThere(stays.text));
  EXPECT_FALSE(opensThere(revoked.text));
  EXPECT_FALSE(opensThere(rotated.text));
  EXPECT_TRUE(opensThere(fresh.text));
}

TEST_F(FirstKey, IsNotMadeAgainAfterItWasRevoked) {
  const auto first = mustBe(keys->ensureFirstKey(keyFile(), kSoon));
  ASSERT_TRUE(keys->revoke(first->key.id, owner, kSoon));
  EXPECT_FALSE(mustBe(keys->ensureFirstKey(keyFile(), kSoon)).has_value());
}

TEST_F(FirstKey, IsNotMadeWhenItsFileCannotBeWritten) {
  const auto refused =
      keys->ensureFirstKey((folder.path() / "missing" / "admin-key").string(), kSoon);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("admin-key"), std::string::npos);
  EXPECT_TRUE(mustBe(keys->ensureFirstKey(keyFile(), kSoon)).has_value());
}

TEST_F(FirstKey, ReplacesALinkInsteadOfFollowingIt) {
  const auto target = folder.path() / "elsewhere";
  std::filesystem::create_symlink(target, keyFile());
  std::filesystem::create_symlink(target, keyFile() + ".new");
  ASSERT_TRUE(mustBe(keys->ensureFirstKey(keyFile(), kSoon)).has_value());
  EXPECT_FALSE(std::filesystem::exists(target));
  EXPECT_FALSE(std::filesystem::is_symlink(keyFile()));
}

}  // namespace
}  // namespace corbel::identity
