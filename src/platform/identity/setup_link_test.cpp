#include "identity/setup_link.h"

#include "users_fixture.h"

namespace corbel::identity {
namespace {

const Deadline kSoon = Deadline::never();

class SetupLinkTest : public UsersTest {
 protected:
  std::string made() {
    auto token = mustBe(link.make(kSoon));
    return token ? std::string(token->reveal()) : std::string();
  }
  Result<SetupLink::Opened> use(const std::string& token,
                                const std::string& email = "ada@example.com",
                                const std::string& password = kPassword) {
    return link.use(token, {.email = email, .password = Secret(password)}, {}, kSoon);
  }

  SetupLink link{{*database, passwords, sessions, clock, random, ids}};
};

TEST_F(SetupLinkTest, MakesTheFirstOwnerAndSignsHimIn) {
  const std::string token = made();
  EXPECT_TRUE(link.check(token, kSoon));
  const auto opened = mustBe(use(token));
  EXPECT_EQ(mustBe(whoIs(opened.session))->memberships[0].permissions, PermissionSet::all());
  EXPECT_TRUE(signIn("ada@example.com"));
}

TEST_F(SetupLinkTest, IsGoodOnce) {
  const std::string token = made();
  ASSERT_TRUE(use(token));
  EXPECT_EQ(codeOf(link.check(token, kSoon)), ErrorCode::notFound);
  EXPECT_EQ(codeOf(use(token, "eve@example.com")), ErrorCode::notFound);
  EXPECT_FALSE(signIn("eve@example.com"));
}

TEST_F(SetupLinkTest, IsGoodForAnHour) {
  const std::string token = made();
  clock.advance(std::chrono::minutes(59));
  EXPECT_TRUE(link.check(token, kSoon));
  clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(codeOf(use(token)), ErrorCode::notFound);
}

TEST_F(SetupLinkTest, IsMadeOnce) {
  EXPECT_NE(made(), "");
  EXPECT_EQ(made(), "");
}

TEST_F(SetupLinkTest, IsVoidWhenThereIsAUser) {
  const std::string token = made();
  add("ben@example.com", {"viewer"});
  EXPECT_EQ(codeOf(use(token)), ErrorCode::notFound);
}

TEST_F(SetupLinkTest, StaysGoodAfterAMistake) {
  const std::string token = made();
  EXPECT_EQ(codeOf(use(token, "no address")), ErrorCode::invalidArgument);
  EXPECT_EQ(codeOf(use(token, "ada@example.com", "short")), ErrorCode::invalidArgument);
  EXPECT_TRUE(use(token));
}

TEST_F(SetupLinkTest, CannotBeGuessed) {
  const std::string token = made();
  EXPECT_EQ(token.size(), 47u);
  for (const std::string& other :
       {std::string(), token.substr(0, 46), token + "x", std::string("crl_")})
    EXPECT_EQ(codeOf(use(other)), ErrorCode::notFound) << other;
}

}  // namespace
}  // namespace corbel::identity
