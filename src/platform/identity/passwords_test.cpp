#include "identity/passwords.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

namespace corbel::identity {
namespace {

constexpr PasswordOptions kCheap{.atOnce = 1, .cost = {.memoryKiB = 64, .passes = 1}};

class PasswordsTest : public testing::Test {
 protected:
  ManualClock clock;
  SystemRandom random;
  Passwords passwords{clock, random, kCheap};

  std::string hashOf(std::string text) {
    return passwords.hash(Secret(std::move(text)), Deadline::never()).value_or("");
  }
  Passwords::Verdict verify(const std::optional<std::string>& hash, std::string text) {
    return passwords.verify(hash, Secret(std::move(text)), Deadline::never())
        .value_or(Passwords::Verdict{.matches = true, .outdated = true});
  }
};

TEST_F(PasswordsTest, AreProvenByTheirHash) {
  EXPECT_TRUE(verify(hashOf("correct horse"), "correct horse").matches);
  EXPECT_FALSE(verify(hashOf("correct horse"), "correct house").matches);
}

TEST_F(PasswordsTest, OfEqualTextHaveDifferentHashes) { EXPECT_NE(hashOf("same"), hashOf("same")); }

TEST_F(PasswordsTest, OfNobodyMatchNothing) { EXPECT_FALSE(verify(std::nullopt, "").matches); }

TEST_F(PasswordsTest, HashedAtAnotherCostAreOutdated) {
  EXPECT_FALSE(verify(hashOf("x"), "x").outdated);
  Passwords dearer(clock, random, {.atOnce = 1, .cost = {.memoryKiB = 128, .passes = 1}});
  const auto verdict = dearer.verify(hashOf("x"), Secret("x"), Deadline::never());
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->matches && verdict->outdated);
}

TEST_F(PasswordsTest, TakeTurnsUntilAllAreDone) {
  std::vector<std::future<bool>> all;
  const std::string hash = hashOf("x");
  for (int i = 0; i < 8; ++i)
    all.push_back(std::async(std::launch::async, [&] { return verify(hash, "x").matches; }));
  for (auto& one : all) EXPECT_TRUE(one.get());
}

TEST(PasswordRules, AskForLengthAndVariety) {
  const auto check = [](std::string text) {
    return checkPassword("/password", Secret(std::move(text)), "ada.lovelace@example.com");
  };
  EXPECT_TRUE(check("correct horse battery"));
  EXPECT_TRUE(check(std::string(100, 'a') + "bcde"));
  for (const std::string& weak :
       {std::string("short pass!"), std::string(20, 'a'), std::string("abababababab"),
        std::string("ADA.lovelace@example.com"), std::string(257, 'a') + "bcdef"}) {
    const auto verdict = check(weak);
    ASSERT_FALSE(verdict) << weak;
    EXPECT_EQ(verdict.error().fields.front().pointer, "/password");
    EXPECT_EQ(verdict.error().message.find(weak), std::string::npos);
  }
}

}  // namespace
}  // namespace corbel::identity
