#include "telemetry/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corbel::log {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RedactJson, KeepsWhatIsNoSecret) {
  const std::string body =
      R"({"input": {"age": 3, "text": "a \"b\" [c"}, "list": [1, true, null]})";
  EXPECT_EQ(redactJson(body), body);
}

TEST(RedactJson, ReplacesValuesOfSecretNames) {
  EXPECT_EQ(redactJson(R"({"password": "p", "x": 1})"), R"({"password": "***", "x": 1})");
  EXPECT_EQ(redactJson(R"({"Api-Key":12345})"), R"({"Api-Key":"***"})");
  EXPECT_EQ(redactJson(R"([{"clientSecret" : {"a": ["}", "s"]}, "b": 2}])"),
            R"([{"clientSecret" : "***", "b": 2}])");
}

TEST(RedactJson, CountsAreNoSecrets) {
  EXPECT_EQ(redactJson(R"({"max_tokens": 100})"), R"({"max_tokens": 100})");
  EXPECT_EQ(redactJson(R"({"tokens": "100"})"), R"({"tokens": "***"})");
}

TEST(RedactJson, ReplacesKeysAndTokensInsideOfTexts) {
  EXPECT_EQ(redactJson(R"({"q": "my key is crb_abc123_DEF, ok"})"),
            R"({"q": "my key is crb_***, ok"})");
  EXPECT_EQ(redactJson(R"({"h": "Bearer abc.def.ghi"})"), R"({"h": "Bearer ***"})");
  EXPECT_EQ(redactJson(R"(["line\ncrb_secret\u0020sk-secret"])"),
            R"(["line\ncrb_***\u0020sk-***"])");
  EXPECT_EQ(redactJson(R"({"crb_abc": 1})"), R"({"crb_***": 1})");
  EXPECT_EQ(redactJson(R"(["a task-1 of risk-2"])"), R"(["a task-1 of risk-2"])");
}

TEST(RedactJson, ShowsNothingBehindASecretNameThatDoesNotEnd) {
  for (const std::string_view body :
       {R"({"token": "unfini)", R"({"token": {"a": "unfini)", R"({"token": [["unfini")",
        R"({"token": "unfini\)", R"({"token" : unfini)"}) {
    EXPECT_THAT(redactJson(body), Not(HasSubstr("unfini"))) << body;
  }
}

TEST(RedactJson, TrustsNoNameWithEscapes) {
  EXPECT_EQ(redactJson(R"({"pass\u0077ord": "p"})"), R"({"pass\u0077ord": "***"})");
}

TEST(RedactJson, TellsOnlyTheLengthOfWhatIsNotJson) {
  EXPECT_EQ(redactJson("password=abc"), "(12 bytes, not JSON)");
  EXPECT_EQ(redactJson(""), "(0 bytes, not JSON)");
}

TEST(RedactJson, IsBoundedInLengthAndDepth) {
  EXPECT_LE(redactJson(std::string(1'000'000, '[')).size(), kBodyBytes + 3);
  EXPECT_LE(redactJson("[\"" + std::string(1'000'000, 'x') + "\"]").size(), kBodyBytes + 3);
  EXPECT_LE(redactJson("{\"token\":" + std::string(1'000'000, '[')).size(), kBodyBytes + 3);
}

TEST(RedactText, ReplacesTokens) {
  EXPECT_EQ(redactText("GET /x?key=crb_abc&y=1"), "GET /x?key=crb_***&y=1");
  EXPECT_EQ(redactText("authorization: bearer abc"), "authorization: bearer ***");
}

TEST(SecretNames, AreKnownInEverySpelling) {
  for (const std::string_view name : {"Authorization", "X-Api-Key", "access_token", "refreshToken",
                                      "DB_PASSWORD", "Set-Cookie"}) {
    EXPECT_TRUE(isSecretName(name)) << name;
  }
  EXPECT_FALSE(isSecretName("mean radius"));
}

}  // namespace
}  // namespace corbel::log
