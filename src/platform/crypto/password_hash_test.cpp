#include "crypto/password_hash.h"

#include <gtest/gtest.h>

#include <array>

namespace corbel::crypto {
namespace {

constexpr PasswordCost kCheap{.memoryKiB = 64, .passes = 1};
constexpr std::array<std::byte, 16> kSalt{std::byte{1}, std::byte{2}};

std::string hashOf(std::string_view password, PasswordCost cost = kCheap) {
  return hashPassword(password, kSalt, cost).value_or("");
}

TEST(PasswordHash, MatchesItsPasswordAndNoOther) {
  const std::string hash = hashOf("correct horse");
  EXPECT_TRUE(matchesPassword(hash, "correct horse").value_or(false));
  for (const char* other : {"", "correct hors", "Correct horse", "correct horse "})
    EXPECT_FALSE(matchesPassword(hash, other).value_or(true)) << other;
}

TEST(PasswordHash, DiffersWithItsSalt) {
  constexpr std::array<std::byte, 16> kOther{std::byte{9}};
  EXPECT_NE(hashOf("correct horse"), hashPassword("correct horse", kOther, kCheap).value_or(""));
}

TEST(PasswordHash, IsThatOfTheReferenceImplementation) {
  // test.c of phc-winner-argon2: password, somesalt, 2 passes over 256 KiB.
  constexpr const char* kReference =
      "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
  EXPECT_TRUE(matchesPassword(kReference, "password").value_or(false));
  EXPECT_FALSE(matchesPassword(kReference, "passwore").value_or(true));
}

TEST(PasswordHash, TellsWhatItCost) {
  EXPECT_EQ(costOf(hashOf("x")), kCheap);
  EXPECT_EQ(costOf(hashOf("x", {.memoryKiB = 128, .passes = 3})),
            (PasswordCost{.memoryKiB = 128, .passes = 3}));
  for (const char* other : {"", "x", "$argon2i$v=19$m=64,t=1,p=1$YWE$YWE", "$2b$10$abc",
                            "$argon2id$v=19$m=64,t=1$YWE$YWE", "$argon2id$v=19$m=-1,t=1,p=1$Y$Y"})
    EXPECT_FALSE(costOf(other)) << other;
}

TEST(PasswordHash, ThatIsNoneOrCostsTooMuchMatchesNothing) {
  for (const char* text : {"", "password", "$argon2id$v=19$m=64,t=1,p=1$$",
                           "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$YWFhYWFhYWE",
                           "$argon2id$v=19$m=64,t=4294967295,p=1$c29tZXNhbHQ$YWFhYWFhYWE"})
    EXPECT_FALSE(matchesPassword(text, "password").value_or(true)) << text;
}

}  // namespace
}  // namespace corbel::crypto
