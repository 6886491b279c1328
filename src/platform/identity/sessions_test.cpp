#include "identity/sessions.h"

#include <set>
#include <string>
#include <thread>

#include "users_fixture.h"

namespace corbel::identity {
namespace {

const Deadline kSoon = Deadline::never();

class SessionsTest : public UsersTest {
 protected:
  // Use of a session is written down beside its calls.
  bool usedNow(const OpenedSession& opened) {
    if (!whoIs(opened)) return false;
    while (mustBe(sessions.list(opened.session.userId, kSoon)).front().lastUsedAt != clock.now())
      std::this_thread::yield();
    return true;
  }
};

TEST_F(SessionsTest, ShowWhoSignedIn) {
  addTenant("acme");
  const User ada = add("ada@example.com", {"developer"});
  const auto opened = mustBe(signIn("Ada@example.com"));
  const PrincipalRef principal = mustBe(whoIs(opened));
  EXPECT_EQ(principal->kind, PrincipalKind::user);
  EXPECT_EQ(principal->id, "account:" + ada.id);
  ASSERT_EQ(principal->memberships.size(), 1u);
  EXPECT_EQ(principal->memberships[0].tenant, "default");
  EXPECT_EQ(principal->memberships[0].permissions, *builtInRole("developer"));
  EXPECT_EQ(mustBe(users.get(ada.id, caller("default", "owner"), kSoon)).lastSignInAt, clock.now());
}

TEST_F(SessionsTest, HaveTokensThatNobodyCanGuessOrFindInTheStore) {
  add("ada@example.com", {"viewer"});
  std::set<std::string> tokens;
  for (int i = 0; i < 10; ++i) tokens.emplace(mustBe(signIn("ada@example.com")).token.reveal());
  EXPECT_EQ(tokens.size(), 10u);
  for (const std::string& token : tokens) {
    EXPECT_EQ(token.size(), 47u);
    const auto found = mustBe(database->read(
        [&](store::Reader& reader) {
          return reader.query("SELECT COUNT(*) FROM user_sessions WHERE token_hash = ?", token)
              .one([](const store::Row& row) { return row.integer(0); });
        },
        kSoon));
    EXPECT_EQ(found, 0);
  }
}

TEST_F(SessionsTest, AreNotOpenedByWhoCannotProveHimself) {
  const User ada = add("ada@example.com", {"viewer"});
  add("ben@example.com", {"viewer"});
  mustBe(users.add({.email = "nopassword@example.com", .roles = {"viewer"}},
                   caller("default", "owner"), kSoon));
  mustBe(users.change(ada.id, {.disabled = true}, caller("default", "owner"), kSoon));
  const auto wrong = signIn("ben@example.com", "wrong horse battery");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::unauthenticated);
  for (const char* email :
       {"ada@example.com", "nobody@example.com", "nopassword@example.com", "x"}) {
    const auto refused = signIn(email);
    ASSERT_FALSE(refused) << email;
    EXPECT_EQ(refused.error().message, wrong.error().message);
  }
}

TEST_F(SessionsTest, OfAnUnknownUserCostAHashing) {
  // The time of a refusal must not tell whether there is the account: a cost that Argon2 does not
  // take shows that a hashing is made.
  Passwords broken(clock, random, {.atOnce = 1, .cost = {.memoryKiB = 1, .passes = 1}});
  const Sessions strict({*database, *directory, broken, limiter, clock, random, ids}, {});
  const auto refused = strict.prove("nobody@example.com", Secret(kPassword), kSoon);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().code, ErrorCode::unauthenticated);
}

TEST_F(SessionsTest, EndWhenTheyAreNotUsed) {
  add("ada@example.com", {"viewer"});
  const auto opened = mustBe(signIn("ada@example.com"));
  clock.advance(std::chrono::minutes(119));
  EXPECT_TRUE(usedNow(opened));
  clock.advance(std::chrono::minutes(119));
  EXPECT_TRUE(whoIs(opened)) << "it was used in between";
  clock.advance(std::chrono::minutes(121));
  EXPECT_EQ(codeOf(whoIs(opened)), ErrorCode::unauthenticated);
}

TEST_F(SessionsTest, EndHoweverMuchTheyAreUsed) {
  add("ada@example.com", {"viewer"});
  const auto opened = mustBe(signIn("ada@example.com"));
  for (int hour = 0; hour < 11; ++hour) {
    clock.advance(std::chrono::hours(1));
    ASSERT_TRUE(usedNow(opened));
  }
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(codeOf(whoIs(opened)), ErrorCode::unauthenticated);
  EXPECT_TRUE(mustBe(sessions.list(opened.session.userId, kSoon)).empty());
}

TEST_F(SessionsTest, AreKnownForASecondWithoutTheStore) {
  add("ada@example.com", {"viewer"});
  const auto opened = mustBe(signIn("ada@example.com"));
  EXPECT_FALSE(sessions.tryVerify(opened.token.reveal()));
  ASSERT_TRUE(whoIs(opened));
  EXPECT_TRUE(sessions.tryVerify(opened.token.reveal()));
  clock.advance(std::chrono::seconds(1));
  EXPECT_FALSE(sessions.tryVerify(opened.token.reveal()));
}

TEST_F(SessionsTest, OfGarbageAreRefusedWithoutTheStore) {
  for (const std::string& garbage : {std::string("cru_"), std::string("cru_x"),
                                     std::string(47, 'x'), std::string(10'000, 'x')}) {
    const auto refused = sessions.tryVerify(garbage);
    ASSERT_TRUE(refused) << garbage.substr(0, 50);
    EXPECT_EQ(codeOf(*refused), ErrorCode::unauthenticated);
  }
}

TEST_F(SessionsTest, EndAtOnceWhereTheyAreEnded) {
  const User ada = add("ada@example.com", {"viewer"});
  const auto one = mustBe(signIn("ada@example.com"));
  const auto other = mustBe(signIn("ada@example.com"));
  ASSERT_TRUE(whoIs(one) && whoIs(other));
  EXPECT_EQ(mustBe(sessions.list(ada.id, kSoon)).size(), 2u);
  ASSERT_TRUE(sessions.end(ada.id, one.session.id, kSoon));
  EXPECT_FALSE(whoIs(one));
  EXPECT_TRUE(whoIs(other));
  EXPECT_EQ(codeOf(sessions.end(ada.id, one.session.id, kSoon)), ErrorCode::notFound);
}

TEST_F(SessionsTest, AreEndedByTheirUserAlone) {
  add("ada@example.com", {"viewer"});
  const User ben = add("ben@example.com", {"viewer"});
  const auto opened = mustBe(signIn("ada@example.com"));
  EXPECT_EQ(codeOf(sessions.end(ben.id, opened.session.id, kSoon)), ErrorCode::notFound);
  EXPECT_TRUE(whoIs(opened));
}

TEST_F(SessionsTest, EndWithTheirUser) {
  users.onChange([this] { sessions.forget(); });
  const User ada = add("ada@example.com", {"viewer"});
  const auto owner = caller("default", "owner");
  const auto first = mustBe(signIn("ada@example.com"));
  ASSERT_TRUE(whoIs(first));
  mustBe(users.change(ada.id, {.disabled = true}, owner, kSoon));
  EXPECT_FALSE(whoIs(first));
  mustBe(users.change(ada.id, {.disabled = false}, owner, kSoon));
  EXPECT_FALSE(whoIs(first)) << "an ended session does not come back";
  const auto second = mustBe(signIn("ada@example.com"));
  mustBe(users.change(ada.id, {.password = Secret("another horse battery")}, owner, kSoon));
  EXPECT_FALSE(whoIs(second));
  const auto third = mustBe(signIn("ada@example.com", "another horse battery"));
  ASSERT_TRUE(users.endSessions(ada.id, owner, kSoon));
  EXPECT_FALSE(whoIs(third));
}

TEST_F(SessionsTest, FollowTheRolesOfTheirUser) {
  users.onChange([this] { sessions.forget(); });
  const User ada = add("ada@example.com", {"viewer"});
  const auto opened = mustBe(signIn("ada@example.com"));
  ASSERT_EQ(mustBe(whoIs(opened))->memberships[0].permissions, *builtInRole("viewer"));
  mustBe(users.change(ada.id, {.roles = {{"developer"}}}, caller("default", "owner"), kSoon));
  EXPECT_EQ(mustBe(whoIs(opened))->memberships[0].permissions, *builtInRole("developer"));
}

TEST_F(SessionsTest, OfAnotherProcessAreNoticedWithinASecond) {
  const User ada = add("ada@example.com", {"viewer"});
  const auto opened = mustBe(signIn("ada@example.com"));
  ASSERT_TRUE(whoIs(opened));
  Sessions elsewhere({*database, *directory, passwords, limiter, clock, random, ids}, {});
  ASSERT_TRUE(elsewhere.end(ada.id, opened.session.id, kSoon));
  clock.advance(Sessions::kRemembered);
  EXPECT_FALSE(whoIs(opened));
}

TEST_F(SessionsTest, OthersEndWithANewPassword) {
  const User ada = add("ada@example.com", {"viewer"});
  const auto mine = mustBe(signIn("ada@example.com"));
  const auto other = mustBe(signIn("ada@example.com"));
  const Secret fresh("another horse battery");
  EXPECT_EQ(codeOf(sessions.changePassword(mine.session, Secret("wrong"), fresh, kSoon)),
            ErrorCode::unprocessable);
  EXPECT_EQ(codeOf(sessions.changePassword(mine.session, Secret(kPassword), Secret("x"), kSoon)),
            ErrorCode::invalidArgument);
  ASSERT_TRUE(whoIs(other));
  ASSERT_TRUE(sessions.changePassword(mine.session, Secret(kPassword), fresh, kSoon));
  EXPECT_TRUE(whoIs(mine));
  EXPECT_FALSE(whoIs(other));
  EXPECT_FALSE(signIn("ada@example.com"));
  EXPECT_TRUE(signIn("ada@example.com", "another horse battery"));
}

TEST_F(SessionsTest, BringOldHashesUpToDate) {
  const User ada = add("ada@example.com", {"viewer"});
  Passwords dearer(clock, random, {.atOnce = 1, .cost = {.memoryKiB = 128, .passes = 1}});
  Sessions newer({*database, *directory, dearer, limiter, clock, random, ids}, {});
  const auto proven = mustBe(newer.prove("ada@example.com", Secret(kPassword), kSoon));
  ASSERT_TRUE(proven.betterHash);
  mustBe(newer.open(proven, {}, kSoon));
  EXPECT_FALSE(mustBe(newer.prove("ada@example.com", Secret(kPassword), kSoon)).betterHash);
}

TEST_F(SessionsTest, OfOneUserAreBounded) {
  const User ada = add("ada@example.com", {"viewer"});
  const auto first = mustBe(signIn("ada@example.com"));
  for (int i = 0; i < Sessions::kPerUser; ++i) {
    clock.advance(std::chrono::milliseconds(1));
    mustBe(signIn("ada@example.com"));
  }
  EXPECT_EQ(mustBe(sessions.list(ada.id, kSoon)).size(), std::size_t{Sessions::kPerUser});
  EXPECT_FALSE(whoIs(first));
}

TEST_F(SessionsTest, AttemptsAreCountedByAccountAndAddress) {
  const auto attempts = [&](const std::string& email, const std::string& address, int times) {
    int allowed = 0;
    for (int i = 0; i < times; ++i) allowed += sessions.attempt(email, address).allowed ? 1 : 0;
    return allowed;
  };
  EXPECT_EQ(attempts("ada@example.com", "192.0.2.1", 20), 10);
  EXPECT_EQ(attempts(" ADA@example.com", "192.0.2.1", 5), 0) << "the spelling is no other account";
  EXPECT_EQ(attempts("ben@example.com", "192.0.2.1", 5), 5) << "others still may";
  for (int i = 2; i < 20; ++i) attempts("ada@example.com", "192.0.2." + std::to_string(i), 10);
  EXPECT_EQ(attempts("ada@example.com", "198.51.100.1", 1), 0) << "from anywhere";
  int allowed = 0;
  for (int i = 0; i < 200; ++i)
    allowed += attempts("u" + std::to_string(i) + "@example.com", "203.0.113.1", 1);
  EXPECT_EQ(allowed, static_cast<int>(Sessions::kAttemptsOfAddress));
  clock.advance(std::chrono::minutes(15));
  EXPECT_EQ(attempts("ada@example.com", "192.0.2.1", 1), 1);
}

}  // namespace
}  // namespace corbel::identity
