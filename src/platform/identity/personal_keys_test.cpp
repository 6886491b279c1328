#include "identity/personal_keys.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "identity_fixture.h"

namespace corbel::identity {
namespace {

class PersonalKeysTest : public IdentityTest {
 protected:
  static Caller callerOf(const std::string& user) {
    Caller made = caller("default", "owner");
    made.principal.id = "user:" + user;
    return made;
  }
  MintedKey mint(const Caller& by, const std::string& name) {
    return mustBe(keys->create({.name = name, .role = "viewer"}, by, Deadline::never()));
  }

  std::unique_ptr<ApiKeys> keys =
      mustBe(ApiKeys::load({*database, *directory, clock, random, ids}, Deadline::never()));
  personal::Place place = personalKeys(*database, *keys);
  const personal::Person ann{"default", "user:ann", clock.now(), "erased:1"};
};

TEST_F(PersonalKeysTest, KeysOfSomebodyWhoIsErasedAreGoneAndThoseOfOthersWork) {
  const auto mine = mint(callerOf("ann"), "mine");
  const auto theirs = mint(callerOf("bob"), "theirs");
  EXPECT_EQ(mustBe(place.erase(ann, Deadline::never())).count, 1);
  EXPECT_EQ(mustBe(place.erase(ann, Deadline::never())).count, 0);
  EXPECT_FALSE(keys->verify(mine.text.reveal()));
  EXPECT_FALSE(keys->get(mine.key.id, callerOf("bob"), Deadline::never()));
  EXPECT_TRUE(keys->verify(theirs.text.reveal()));
}

TEST_F(PersonalKeysTest, ShowsKeysWithoutTheirSecrets) {
  const auto mine = mint(callerOf("ann"), "my laptop");
  std::vector<std::string> shown;
  ASSERT_TRUE(place.show(
      ann,
      [&](std::string_view json) -> Result<void> {
        shown.emplace_back(json);
        return {};
      },
      Deadline::never()));
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_NE(shown[0].find(R"("name":"my laptop")"), std::string::npos);
  EXPECT_EQ(shown[0].find(mine.text.reveal().substr(20)), std::string::npos);
}

TEST_F(PersonalKeysTest, WithoutABackendThereAreNoTokensToForget) {
  EXPECT_EQ(mustBe(personalTokens(nullptr).erase(ann, Deadline::never())).count, 0);
}

}  // namespace
}  // namespace corbel::identity
