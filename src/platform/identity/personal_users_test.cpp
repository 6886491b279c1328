#include "identity/personal_users.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "users_fixture.h"

namespace corbel::identity {
namespace {

class PersonalUsersTest : public UsersTest {
 protected:
  personal::Person personOf(const User& user, const std::string& tenant = "default") {
    return {tenant, principalIdOf(user.id), clock.now(), "erased:1"};
  }
  Result<personal::Erased> erase(const personal::Person& person) {
    return place.erase(person, Deadline::never());
  }
  Result<User> get(const User& user, const std::string& tenant = "default") {
    return users.get(user.id, caller(tenant, "owner"), Deadline::never());
  }

  personal::Place place = personalUsers(*database);
  User boss = add("boss@example.com", {"owner"});
};

TEST_F(PersonalUsersTest, WhoIsErasedIsGoneWithTheSessions) {
  const User ann = add("ann@example.com", {"viewer"});
  mustBe(signIn("ann@example.com"));
  EXPECT_EQ(mustBe(erase(personOf(ann))).count, 1);
  EXPECT_EQ(mustBe(erase(personOf(ann))).count, 0);
  EXPECT_EQ(codeOf(get(ann)), ErrorCode::notFound);
  EXPECT_FALSE(signIn("ann@example.com"));
  EXPECT_TRUE(get(boss));
}

TEST_F(PersonalUsersTest, WhoBelongsToAnotherTenantStaysThere) {
  addTenant("other");
  const User ann = add("ann@example.com", {"viewer"});
  Caller installation = caller("other", "owner");
  installation.principal.kind = PrincipalKind::service;
  installation.principal.id = "operator";
  mustBe(users.add({.email = "ann@example.com", .roles = {"viewer"}}, installation,
                   Deadline::never()));
  EXPECT_EQ(mustBe(erase(personOf(ann, "other"))).count, 1);
  EXPECT_EQ(codeOf(get(ann, "other")), ErrorCode::notFound);
  EXPECT_TRUE(get(ann));
}

TEST_F(PersonalUsersTest, TheLastOwnerStays) {
  EXPECT_EQ(codeOf(erase(personOf(boss))), ErrorCode::unprocessable);
  EXPECT_TRUE(get(boss));
  add("ann@example.com", {"owner"});
  EXPECT_EQ(mustBe(erase(personOf(boss))).count, 1);
}

TEST_F(PersonalUsersTest, ShowsTheAccountAndItsSessionsWithoutSecrets) {
  const User ann = add("ann@example.com", {"viewer"});
  const OpenedSession opened = mustBe(signIn("ann@example.com"));
  std::string shown;
  ASSERT_TRUE(place.show(
      personOf(ann),
      [&](std::string_view json) -> Result<void> {
        shown += json;
        return {};
      },
      Deadline::never()));
  EXPECT_NE(shown.find(R"("email":"ann@example.com")"), std::string::npos);
  EXPECT_NE(shown.find(R"("address":"192.0.2.7")"), std::string::npos);
  EXPECT_EQ(shown.find(opened.token.reveal().substr(10)), std::string::npos);
  EXPECT_EQ(shown.find("argon2"), std::string::npos);
}

TEST_F(PersonalUsersTest, WhoMadeAUserLosesTheName) {
  const User ann = add("ann@example.com", {"viewer"});
  const personal::Person maker{"default", "user:test", clock.now(), "erased:2"};
  EXPECT_EQ(mustBe(erase(maker)).count, 0);
  EXPECT_EQ(mustBe(get(ann)).createdBy, "erased:2");
}

}  // namespace
}  // namespace corbel::identity
