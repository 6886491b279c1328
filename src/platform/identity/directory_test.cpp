#include "identity/directory.h"

#include "base/limits.h"
#include "identity_fixture.h"

namespace corbel::identity {
namespace {

using Tenants = IdentityTest;
using Roles = IdentityTest;

const Deadline kSoon = Deadline::never();

std::vector<std::string> idsOf(const std::vector<Tenant>& tenants) {
  std::vector<std::string> found;
  for (const Tenant& tenant : tenants) found.push_back(tenant.id);
  return found;
}

TEST_F(Tenants, BeginWithTheDefaultTenant) {
  EXPECT_EQ(idsOf(directory->tenants(caller("default", "owner"))),
            std::vector<std::string>{"default"});
}

TEST_F(Tenants, AreStillThereAfterARestart) {
  mustBe(directory->createTenant({.id = "acme", .name = "Acme Ltd", .quotas = {.models = 5}},
                                 caller("default", "owner"), kSoon));
  directory = mustBe(Directory::load(*database, clock, kSoon));
  const Tenant acme = mustBe(directory->tenant("acme", caller("default", "owner")));
  EXPECT_EQ(acme.name, "Acme Ltd");
  EXPECT_EQ(acme.quotas, TenantQuotas{.models = 5});
  EXPECT_EQ(acme.createdAt, clock.now());
}

TEST_F(Tenants, AreMadeByOwnersOfTheDefaultTenantOnly) {
  addTenant("acme");
  const NewTenant fresh{.id = "globex", .name = "Globex", .quotas = {}};
  EXPECT_EQ(directory->createTenant(fresh, caller("default", "admin"), kSoon).error().code,
            ErrorCode::permissionDenied);
  EXPECT_EQ(directory->createTenant(fresh, caller("acme", "owner"), kSoon).error().code,
            ErrorCode::permissionDenied);
}

TEST_F(Tenants, HaveUniqueIdsOfPlainLetters) {
  addTenant("acme");
  const auto create = [&](std::string id) {
    return directory->createTenant({.id = std::move(id), .name = "x", .quotas = {}},
                                   caller("default", "owner"), kSoon);
  };
  EXPECT_EQ(create("acme").error().code, ErrorCode::alreadyExists);
  for (const char* wrong : {"", "Acme", "a b", "-a", "a-", "a/b", "ä", "a\n"}) {
    EXPECT_EQ(create(wrong).error().code, ErrorCode::invalidArgument) << wrong;
  }
  EXPECT_EQ(create(std::string(64, 'a')).error().code, ErrorCode::invalidArgument);
}

TEST_F(Tenants, SeeNothingOfEachOther) {
  addTenant("acme");
  addTenant("globex");
  EXPECT_EQ(idsOf(directory->tenants(caller("acme", "owner"))), std::vector<std::string>{"acme"});
  EXPECT_EQ(directory->tenant("globex", caller("acme", "owner")).error().code, ErrorCode::notFound);
  EXPECT_EQ(directory->changeTenant("globex", {.name = "mine"}, caller("acme", "owner"), kSoon)
                .error()
                .code,
            ErrorCode::notFound);
  EXPECT_EQ(directory->tenants(caller("default", "owner")).size(), 3u);
}

TEST_F(Tenants, AreRenamedByTheirOwnersButGetQuotasFromTheInstallation) {
  addTenant("acme");
  EXPECT_EQ(directory->changeTenant("acme", {.name = "New"}, caller("acme", "owner"), kSoon)->name,
            "New");
  const TenantChange more{.quotas = TenantQuotas{.models = 1'000'000}};
  EXPECT_EQ(directory->changeTenant("acme", more, caller("acme", "owner"), kSoon).error().code,
            ErrorCode::permissionDenied);
  EXPECT_TRUE(directory->changeTenant("acme", more, caller("default", "owner"), kSoon).has_value());
  EXPECT_EQ(directory->quotas("acme")->models, 1'000'000);
  EXPECT_EQ(directory->tenant("acme", caller("acme", "owner"))->name, "New");
}

TEST_F(Tenants, RefuseQuotasThatNoCounterHolds) {
  const auto pointerOf = [&](const TenantQuotas& quotas) {
    const auto changed =
        directory->changeTenant("default", {.quotas = quotas}, caller("default", "owner"), kSoon);
    return changed.error().fields.at(0).pointer;
  };
  EXPECT_EQ(pointerOf({.models = -1}), "/quotas/models");
  EXPECT_EQ(pointerOf({.storageBytes = -1}), "/quotas/storageBytes");
  EXPECT_EQ(pointerOf({.requestsPerMinute = std::int64_t{1} << 32}), "/quotas/requestsPerMinute");
}

TEST_F(Roles, OfATenantCountOnlyThere) {
  addTenant("acme");
  addTenant("globex");
  const Role analyst{.name = "analyst",
                     .permissions = {Permission::modelsRead, Permission::settingsRead}};
  ASSERT_TRUE(directory->saveRole(analyst, caller("acme", "admin"), kSoon));
  const std::vector<std::string> roles{"analyst", "no-such-role"};
  EXPECT_EQ(directory->membership("acme", roles)->permissions, analyst.permissions);
  EXPECT_EQ(directory->membership("acme", roles)->roles, std::vector<std::string>{"analyst"});
  EXPECT_TRUE(directory->membership("globex", roles)->permissions.empty());
  EXPECT_EQ(directory->membership("initech", roles), std::nullopt);
}

TEST_F(Roles, AreStillThereAfterARestart) {
  const Role analyst{.name = "analyst", .permissions = {Permission::modelsRead}};
  ASSERT_TRUE(directory->saveRole(analyst, caller("default", "owner"), kSoon));
  directory = mustBe(Directory::load(*database, clock, kSoon));
  EXPECT_EQ(directory->roles("default").back(), analyst);
  EXPECT_EQ(directory->roles("default").size(), kBuiltInRoles.size() + 1);
}

TEST_F(Roles, OfATenantAreLimitedInNumber) {
  ASSERT_TRUE(database->write(
      [](store::Transaction& tx) {
        return tx.execute(
            "INSERT INTO roles (tenant_id, name, permissions) WITH RECURSIVE n(i) AS "
            "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "SELECT 'default', 'role' || i, '' FROM n",
            limits::kRolesPerTenant);
      },
      kSoon));
  directory = mustBe(Directory::load(*database, clock, kSoon));
  const Caller owner = caller("default", "owner");
  const Role more{.name = "one-more", .permissions = {}};
  EXPECT_EQ(directory->saveRole(more, owner, kSoon).error().code, ErrorCode::resourceExhausted);
  EXPECT_TRUE(directory->saveRole({.name = "role1", .permissions = {}}, owner, kSoon));
  ASSERT_TRUE(directory->removeRole("role2", owner, kSoon));
  EXPECT_TRUE(directory->saveRole(more, owner, kSoon));
}

TEST_F(Roles, NeverHaveMoreThanTheirMaker) {
  const Role strong{.name = "strong", .permissions = {Permission::tenantsWrite}};
  EXPECT_EQ(directory->saveRole(strong, caller("default", "admin"), kSoon).error().code,
            ErrorCode::permissionDenied);
  ASSERT_TRUE(directory->saveRole(strong, caller("default", "owner"), kSoon));
  const Role weakened{.name = "strong", .permissions = {}};
  EXPECT_EQ(directory->saveRole(weakened, caller("default", "admin"), kSoon).error().code,
            ErrorCode::permissionDenied);
  EXPECT_EQ(directory->removeRole("strong", caller("default", "admin"), kSoon).error().code,
            ErrorCode::permissionDenied);
}

TEST_F(Roles, ThatAreBuiltInStayAsTheyAre) {
  const Role viewer{.name = "viewer", .permissions = PermissionSet::all()};
  EXPECT_EQ(directory->saveRole(viewer, caller("default", "owner"), kSoon).error().code,
            ErrorCode::invalidArgument);
  EXPECT_EQ(directory->removeRole("viewer", caller("default", "owner"), kSoon).error().code,
            ErrorCode::notFound);
}

TEST_F(Roles, AreGoneAfterRemoval) {
  ASSERT_TRUE(directory->saveRole({.name = "analyst", .permissions = {Permission::modelsRead}},
                                  caller("default", "owner"), kSoon));
  ASSERT_TRUE(directory->removeRole("analyst", caller("default", "owner"), kSoon));
  EXPECT_EQ(directory->removeRole("analyst", caller("default", "owner"), kSoon).error().code,
            ErrorCode::notFound);
  EXPECT_TRUE(
      directory->membership("default", std::vector<std::string>{"analyst"})->permissions.empty());
}

TEST_F(Tenants, AndRolesOfAnotherProcessHoldAfterARefresh) {
  const auto other = mustBe(Directory::load(*database, clock, Deadline::never()));
  addTenant("acme");
  const Caller owner = caller("acme", "owner");
  ASSERT_TRUE(directory->saveRole({"reader", {Permission::modelsRead}}, owner, Deadline::never()));
  const std::vector<std::string> roles{"reader"};
  EXPECT_FALSE(other->membership("acme", roles));
  ASSERT_TRUE(other->refresh(Deadline::never()));
  ASSERT_TRUE(other->membership("acme", roles));
  EXPECT_EQ(other->membership("acme", roles)->permissions, PermissionSet{Permission::modelsRead});
}

}  // namespace
}  // namespace corbel::identity
