#include "identity/service_tokens.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/random.h"
#include "token_maker.h"

namespace corbel::identity {
namespace {

using testing::HasSubstr;

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kOther = "fedcba9876543210fedcba9876543210";
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";

class ServiceTokensTest : public testing::Test {
 protected:
  std::unique_ptr<ServiceTokens> tokens(std::vector<std::string> services,
                                        std::string_view secret = kSecret) {
    auto made = ServiceTokens::make(Secret(std::string(secret)), std::move(services), clock, ids);
    EXPECT_TRUE(made);
    return *std::move(made);
  }
  std::string issue(std::string_view service = "models") {
    return std::string(entry->issue(service, {caller, caller.memberships.front()}).reveal());
  }
  // Why the models' process refuses it; empty: it does not.
  std::string refusal(const std::string& token) {
    const auto found = models->verify(token);
    return found ? "" : found.error().detail;
  }
  // Claims that are good, but for `replaced` instead of `what`.
  std::string claims(const std::string& what = "", const std::string& replaced = "") {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(clock.now().time_since_epoch()).count();
    std::string text = fmt::format(
        R"({{"iss":"corbel","aud":"corbel:models","jti":"{}","sub":"user:alice","kind":"user",)"
        R"("tenant":"acme","permissions":"models:read","iat":{},"exp":{}}})",
        ids.next(), now, now + 30);
    if (const auto at = text.find(what); !what.empty() && at != std::string::npos)
      text.replace(at, what.size(), replaced);
    return text;
  }
  std::string forged(const std::string& payload, std::string_view header = kHeader,
                     std::string_view secret = kSecret) {
    return "crs_" + hmacToken(header, payload, secret);
  }
  std::int64_t seconds(int from = 0) {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.now().time_since_epoch())
               .count() +
           from;
  }

  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  const Principal caller{.kind = PrincipalKind::user,
                         .id = "user:alice@https://issuer.example",
                         .name = "Alice \"A\"",
                         .memberships = {{"acme", {"developer"}, {Permission::modelsRead}}}};
  std::unique_ptr<ServiceTokens> entry = tokens({});
  std::unique_ptr<ServiceTokens> models = tokens({"models"});
};

TEST_F(ServiceTokensTest, CarryTheCallerAndHisTenantAndNothingMore) {
  const auto principal = models->verify(issue());
  ASSERT_TRUE(principal) << principal.error().detail;
  EXPECT_EQ((*principal)->id, caller.id);
  EXPECT_EQ((*principal)->name, caller.name);
  EXPECT_EQ((*principal)->kind, PrincipalKind::user);
  EXPECT_EQ((*principal)->memberships, caller.memberships);
  EXPECT_TRUE((*principal)->accounted);
}

TEST_F(ServiceTokensTest, AreGoodOnce) {
  const std::string token = issue();
  EXPECT_EQ(refusal(token), "");
  EXPECT_THAT(refusal(token), HasSubstr("used before"));
  clock.advance(std::chrono::seconds(34));
  EXPECT_NE(refusal(token), "");
}

TEST_F(ServiceTokensTest, AreForOneServiceAlone) {
  EXPECT_THAT(refusal(issue("training")), HasSubstr("aud"));
  EXPECT_FALSE(entry->verify(issue()));
}

TEST_F(ServiceTokensTest, OfAnotherInstallationAreRefused) {
  EXPECT_THAT(refusal(forged(claims(), kHeader, kOther)), HasSubstr("not signed"));
}

TEST_F(ServiceTokensTest, EndAfterHalfAMinute) {
  const std::string token = issue();
  clock.advance(ServiceTokens::kLifetime + ServiceTokens::kLeeway);
  EXPECT_THAT(refusal(token), HasSubstr("expired"));
}

TEST_F(ServiceTokensTest, ThatLastLongAreRefused) {
  const std::string exp = fmt::format("\"exp\":{}", seconds(30));
  EXPECT_THAT(refusal(forged(claims(exp, fmt::format("\"exp\":{}", seconds(120))))),
              HasSubstr("too long"));
  EXPECT_EQ(refusal(forged(claims(exp, fmt::format("\"exp\":{}", seconds(60))))), "");
}

TEST_F(ServiceTokensTest, ThatWereForgedOrConfusedAreRefused) {
  const std::string exp = fmt::format("\"exp\":{}", seconds(30));
  const std::string iat = fmt::format("\"iat\":{}", seconds());
  const std::string bad[] = {
      "crs_",
      "crs_a.b.c",
      issue() + "x",
      "crs_" + issue(),
      "crs_" + std::string(9'000, 'a'),
      forged(claims(), R"({"alg":"none","typ":"JWT"})"),
      forged(claims(), R"({"alg":"HS512","typ":"JWT"})"),
      forged(claims(), R"({"alg":"hs256","typ":"JWT"})"),
      forged(claims(), R"({"typ":"JWT"})"),
      forged(claims(), R"({"alg":"HS256","typ":"JWE"})"),
      forged(claims(), R"({"alg":"HS256","crit":["x"]})"),
      forged(claims(), R"({"alg":"HS256","b64":false})"),
      forged(claims(), R"({"alg":"HS256","jwk":{"kty":"oct"}})"),
      forged(claims(), R"({"alg":"HS256","alg":"HS256"})"),
      "crs_" + unsignedPart(R"({"alg":"none"})", claims()) + ".",
      forged(claims("\"iss\":\"corbel\"", "\"iss\":\"evil\"")),
      forged(claims("\"iss\":\"corbel\",", "")),
      forged(claims("\"aud\":\"corbel:models\",", "")),
      forged(claims("corbel:models", "models")),
      forged(claims("\"sub\":\"user:alice\",", "")),
      forged(claims("user:alice", "")),
      forged(claims("\"tenant\":\"acme\",", "")),
      forged(claims("\"acme\"", "7")),
      forged(claims("\"kind\":\"user\"", "\"kind\":\"root\"")),
      forged(claims("\"permissions\":\"models:read\",", "")),
      forged(claims("\"jti\"", "\"id\"")),
      forged(claims(exp, "\"exp\":\"9999999999\"")),
      forged(claims(exp, "\"exp\":1e400")),
      forged(claims(exp, fmt::format("\"exp\":{}.5", seconds(30)))),
      forged(claims(exp, "\"x\":1")),
      forged(claims(iat, fmt::format("\"iat\":{}", seconds(60)))),
      forged(claims(iat, "\"x\":1")),
      forged(claims(iat, iat + ",\"tenant\":\"globex\"")),
  };
  for (const std::string& token : bad) {
    const auto found = models->verify(token);
    ASSERT_FALSE(found) << token;
    EXPECT_EQ(found.error().code, ErrorCode::unauthenticated) << token;
  }
  EXPECT_EQ(refusal(forged(claims())), "") << "the one they were made of";
}

TEST_F(ServiceTokensTest, GrantOnlyPermissionsThatExist) {
  const auto principal = models->verify(forged(claims("models:read", "models:read everything:do")));
  ASSERT_TRUE(principal);
  EXPECT_EQ((*principal)->memberships.front().permissions, PermissionSet{Permission::modelsRead});
}

TEST_F(ServiceTokensTest, RememberBoundedlyMany) {
  UsedTokens used(2);
  const Timestamp now = clock.now();
  const Timestamp end = now + std::chrono::seconds(30);
  EXPECT_EQ(used.use("a", end, now), UsedTokens::Use::first);
  EXPECT_EQ(used.use("b", end, now), UsedTokens::Use::first);
  EXPECT_EQ(used.use("c", end, now), UsedTokens::Use::tooMany);
  EXPECT_EQ(used.use("a", end, now), UsedTokens::Use::again);
  const Timestamp later = end + std::chrono::seconds(1);
  EXPECT_EQ(used.use("c", later + std::chrono::seconds(30), later), UsedTokens::Use::first);
}

}  // namespace
}  // namespace corbel::identity
