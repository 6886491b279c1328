#include "identity/users.h"

#include "users_fixture.h"

namespace corbel::identity {
namespace {

const Deadline kSoon = Deadline::never();

TEST(Email, IsComparedInOneForm) {
  EXPECT_EQ(emailOf(" Ada@Example.COM ").value_or(""), "ada@example.com");
  for (const char* wrong : {"", "ada", "@", "ada@", "@example.com", "a@b@c", "a b@c", "a@b\n",
                            "ä@b.de", "<a@b>", "a,b@c"})
    EXPECT_FALSE(emailOf(wrong)) << wrong;
  EXPECT_FALSE(emailOf(std::string(250, 'a') + "@b.de"));
}

TEST_F(UsersTest, AreShownToTheirTenantAlone) {
  addTenant("acme");
  const User ada = add("ada@example.com", {"viewer", "developer"});
  EXPECT_EQ(mustBe(users.get(ada.id, caller("default", "admin"), kSoon)).roles,
            (std::vector<std::string>{"developer", "viewer"}));
  EXPECT_EQ(codeOf(users.get(ada.id, caller("acme", "owner"), kSoon)), ErrorCode::notFound);
  EXPECT_TRUE(mustBe(users.list(caller("acme", "owner"), "", 10, kSoon)).empty());
  EXPECT_EQ(codeOf(users.change(ada.id, {.name = "x"}, caller("acme", "owner"), kSoon)),
            ErrorCode::notFound);
  EXPECT_EQ(codeOf(users.remove(ada.id, caller("acme", "owner"), kSoon)), ErrorCode::notFound);
}

TEST_F(UsersTest, AreListedPageByPageWithTheirRoles) {
  const User ada = add("ada@example.com", {"owner"});
  const User ben = add("ben@example.com", {"developer", "viewer"});
  const auto first = mustBe(users.list(caller("default", "admin"), "", 1, kSoon));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].email, "ada@example.com");
  const auto second = mustBe(users.list(caller("default", "admin"), first[0].id, 5, kSoon));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].id, ben.id);
  EXPECT_EQ(second[0].roles, (std::vector<std::string>{"developer", "viewer"}));
}

TEST_F(UsersTest, HaveOneAddressEach) {
  add("ada@example.com", {"viewer"});
  EXPECT_EQ(codeOf(users.add({.email = "ADA@example.com", .roles = {"viewer"}},
                             caller("default", "owner"), kSoon)),
            ErrorCode::alreadyExists);
}

TEST_F(UsersTest, GetIntoAnotherTenantByTheInstallationAlone) {
  addTenant("acme");
  const User ada = add("ada@example.com", {"viewer"});
  const NewUser again{.email = "ada@example.com", .roles = {"admin"}};
  EXPECT_EQ(codeOf(users.add(again, caller("acme", "owner"), kSoon)), ErrorCode::alreadyExists);
  const Principal installation = operatorOf("acme");
  const User there =
      mustBe(users.add(again, {installation, installation.memberships.front()}, kSoon));
  EXPECT_EQ(there.id, ada.id);
  EXPECT_EQ(there.roles, std::vector<std::string>{"admin"});
  EXPECT_TRUE(signIn("ada@example.com"));
}

TEST_F(UsersTest, OfSeveralTenantsAreNotChangedByOne) {
  addTenant("acme");
  const User ada = add("ada@example.com", {"viewer"}, "acme");
  const Principal installation = operatorOf("default");
  mustBe(users.add({.email = "ada@example.com", .roles = {"viewer"}},
                   {installation, installation.memberships.front()}, kSoon));
  const auto take = users.change(ada.id, {.password = Secret("another horse battery")},
                                 caller("acme", "owner"), kSoon);
  EXPECT_EQ(codeOf(take), ErrorCode::permissionDenied);
  EXPECT_TRUE(users.change(ada.id, {.roles = {{"developer"}}}, caller("acme", "owner"), kSoon));
  EXPECT_TRUE(users.remove(ada.id, caller("acme", "owner"), kSoon));
  EXPECT_TRUE(users.get(ada.id, caller("default", "owner"), kSoon));
}

TEST_F(UsersTest, GetNoMoreThanTheirMakerHas) {
  const NewUser owner{.email = "ada@example.com", .roles = {"owner"}};
  EXPECT_EQ(codeOf(users.add(owner, caller("default", "admin"), kSoon)),
            ErrorCode::permissionDenied);
  const User ben = add("ben@example.com", {"viewer"});
  EXPECT_EQ(codeOf(users.change(ben.id, {.roles = {{"owner"}}}, caller("default", "admin"), kSoon)),
            ErrorCode::permissionDenied);
}

TEST_F(UsersTest, WhoMayDoMoreAreLeftAlone) {
  const User ada = add("ada@example.com", {"owner"});
  add("other@example.com", {"owner"});
  const auto admin = caller("default", "admin");
  EXPECT_EQ(
      codeOf(users.change(ada.id, {.password = Secret("another horse battery")}, admin, kSoon)),
      ErrorCode::permissionDenied);
  EXPECT_EQ(codeOf(users.change(ada.id, {.roles = {{"viewer"}}}, admin, kSoon)),
            ErrorCode::permissionDenied);
  EXPECT_EQ(codeOf(users.remove(ada.id, admin, kSoon)), ErrorCode::permissionDenied);
  EXPECT_EQ(codeOf(users.endSessions(ada.id, admin, kSoon)), ErrorCode::permissionDenied);
}

TEST_F(UsersTest, KeepOneOwnerWhoMaySignIn) {
  const User ada = add("ada@example.com", {"owner"});
  const auto owner = caller("default", "owner");
  EXPECT_EQ(codeOf(users.remove(ada.id, owner, kSoon)), ErrorCode::unprocessable);
  EXPECT_EQ(codeOf(users.change(ada.id, {.disabled = true}, owner, kSoon)),
            ErrorCode::unprocessable);
  EXPECT_EQ(codeOf(users.change(ada.id, {.roles = {{"viewer"}}}, owner, kSoon)),
            ErrorCode::unprocessable);
  EXPECT_FALSE(mustBe(users.get(ada.id, owner, kSoon)).disabledAt);
  add("ben@example.com", {"owner"});
  EXPECT_TRUE(users.change(ada.id, {.disabled = true}, owner, kSoon));
  EXPECT_TRUE(users.remove(ada.id, owner, kSoon));
}

TEST_F(UsersTest, HaveRolesThatTheirTenantKnows) {
  for (const std::vector<std::string>& roles :
       {std::vector<std::string>{}, {"nobody"}, {"viewer", ""}}) {
    const auto made =
        users.add({.email = "ada@example.com", .roles = roles}, caller("default", "owner"), kSoon);
    EXPECT_FALSE(made);
  }
  EXPECT_FALSE(users.find("ada@example.com", caller("default", "owner"), kSoon));
}

TEST_F(UsersTest, WhoAreRemovedCanBeMadeAgain) {
  const User ada = add("ada@example.com", {"viewer"});
  ASSERT_TRUE(signIn("ada@example.com"));
  EXPECT_TRUE(users.remove(ada.id, caller("default", "admin"), kSoon));
  EXPECT_EQ(codeOf(users.remove(ada.id, caller("default", "admin"), kSoon)), ErrorCode::notFound);
  EXPECT_NE(add("ada@example.com", {"viewer"}).id, ada.id);
}

}  // namespace
}  // namespace corbel::identity
