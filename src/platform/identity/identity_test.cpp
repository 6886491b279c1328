#include "identity/identity.h"

#include <gtest/gtest.h>

namespace corbel::identity {
namespace {

Membership memberOf(std::string tenant) {
  return {std::move(tenant), {"viewer"}, *builtInRole("viewer")};
}

TEST(Permissions, HaveOneWordEach) {
  EXPECT_EQ(name(Permission::systemRead), "system:read");
  for (const std::string_view word : kPermissionNames)
    EXPECT_EQ(name(permission(word).value()), word);
  EXPECT_EQ(permission("models"), std::nullopt);
  EXPECT_EQ(permission(""), std::nullopt);
}

TEST(Permissions, AreReadFromWordsAndWrittenBack) {
  const auto read = permissions({"models:predict", "models:read"});
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(toText(*read), "models:read models:predict");
}

TEST(Permissions, NameTheWordThatIsUnknown) {
  const auto read = permissions({"models:read", "models:everything"});
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().fields.at(0).pointer, "/permissions/1");
  EXPECT_NE(read.error().message.find("models:predict"), std::string::npos);
}

TEST(PermissionSets, CompareBySubset) {
  const PermissionSet viewer = *builtInRole("viewer");
  EXPECT_TRUE(viewer.isSubsetOf(PermissionSet::all()));
  EXPECT_FALSE(PermissionSet::all().isSubsetOf(viewer));
  EXPECT_TRUE(PermissionSet().isSubsetOf(viewer));
  EXPECT_EQ(PermissionSet::all().without(PermissionSet::all()), PermissionSet());
}

TEST(BuiltInRoles, OfPeopleGrowByEachStep) {
  EXPECT_TRUE(builtInRole("viewer")->isSubsetOf(*builtInRole("developer")));
  EXPECT_TRUE(builtInRole("developer")->isSubsetOf(*builtInRole("admin")));
  EXPECT_TRUE(builtInRole("admin")->isSubsetOf(*builtInRole("owner")));
  EXPECT_FALSE(builtInRole("admin")->contains(Permission::tenantsWrite));
  EXPECT_FALSE(builtInRole("service")->contains(Permission::modelsWrite));
  EXPECT_EQ(builtInRole("root"), std::nullopt);
}

TEST(TenantChoice, NeedsNoHeaderWhereThereIsOneTenant) {
  const Principal principal{.memberships = {memberOf("acme")}};
  EXPECT_EQ(chooseTenant(principal, "").value()->tenant, "acme");
  EXPECT_EQ(chooseTenant(principal, "acme").value()->tenant, "acme");
}

TEST(TenantChoice, AsksForTheHeaderWhereThereAreSeveral) {
  const Principal principal{.memberships = {memberOf("acme"), memberOf("globex")}};
  EXPECT_EQ(chooseTenant(principal, "globex").value()->tenant, "globex");
  EXPECT_EQ(chooseTenant(principal, "").error().code, ErrorCode::invalidArgument);
}

TEST(TenantChoice, AnswersAForeignTenantLikeAnUnknownOne) {
  const Principal principal{.memberships = {memberOf("acme")}};
  for (const std::string_view foreign : {"globex", "Acme", "acme ", "acme/", "ACME"}) {
    EXPECT_EQ(chooseTenant(principal, foreign).error().code, ErrorCode::notFound) << foreign;
  }
}

TEST(TenantChoice, RefusesPrincipalsWithoutTenant) {
  EXPECT_EQ(chooseTenant(Principal{}, "").error().code, ErrorCode::permissionDenied);
  EXPECT_EQ(chooseTenant(Principal{}, "default").error().code, ErrorCode::notFound);
}

TEST(Requirement, NamesTheMissingPermission) {
  const Membership viewer = memberOf("acme");
  EXPECT_TRUE(require(viewer, Permission::modelsPredict).has_value());
  const auto refused = require(viewer, Permission::keysWrite);
  EXPECT_EQ(refused.error().code, ErrorCode::permissionDenied);
  EXPECT_NE(refused.error().message.find("keys:write"), std::string::npos);
}

}  // namespace
}  // namespace corbel::identity
