#include "models/fallback.h"

#include <gtest/gtest.h>

namespace corbel::models {
namespace {

std::string problemOf(std::string_view json) {
  const auto parsed = parseFallback(json);
  if (parsed) return "none";
  EXPECT_EQ(parsed.error().code, ErrorCode::unprocessable);
  return parsed.error().fields.empty() ? "" : parsed.error().fields.front().pointer;
}

Fallback mustParse(std::string_view json) {
  auto parsed = parseFallback(json);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *std::move(parsed) : Fallback{};
}

TEST(Fallback, IsReadAsItsOwnerDeclaredIt) {
  const Fallback fallback =
      mustParse(R"({"model":"simple","rules":[{"field":"age","below":18,"prediction":"minor"}],)"
                R"("prediction":0.5,"url":"https://app.example.com/fallback"})");
  EXPECT_EQ(fallback.model, "simple");
  EXPECT_EQ(fallback.rules.size(), 1u);
  EXPECT_EQ(fallback.prediction, "0.5");
  EXPECT_EQ(fallback.url, "https://app.example.com/fallback");
}

TEST(Fallback, NamesWhatIsWrong) {
  EXPECT_EQ(problemOf("{}"), "/configuration/fallback");
  EXPECT_EQ(problemOf(R"({"modle":"x"})"), "/configuration/fallback/modle");
  EXPECT_EQ(problemOf(R"({"url":"ftp://x"})"), "/configuration/fallback/url");
  EXPECT_EQ(problemOf(R"({"rules":[{"field":"age","prediction":1}]})"),
            "/configuration/fallback/rules/0");
  EXPECT_EQ(problemOf(R"({"rules":[{"field":"age","below":"x","prediction":1}]})"),
            "/configuration/fallback/rules/0/below");
}

TEST(Fallback, TakesTheFirstRuleThatHolds) {
  const Fallback fallback = mustParse(
      R"({"rules":[{"field":"age","below":18,"prediction":"minor"},)"
      R"({"field":"age","atLeast":18,"below":65,"prediction":"adult"},)"
      R"({"field":"kind","equals":"vip","prediction":{"class":"vip"}}],"prediction":null})");
  EXPECT_EQ(fallback.byRule(R"({"age":17.9})"), R"("minor")");
  EXPECT_EQ(fallback.byRule(R"({"kind":"vip","age":18})"), R"("adult")");
  EXPECT_EQ(fallback.byRule(R"({"age":65,"kind":"vip"})"), R"({"class":"vip"})");
}

TEST(Fallback, HasOnePredictionForAllOthers) {
  const Fallback rules =
      mustParse(R"({"rules":[{"field":"n","equals":1,"prediction":"one"}],"prediction":"many"})");
  EXPECT_EQ(rules.byRule(R"({"n":1.0})"), R"("one")") << "the same number";
  EXPECT_EQ(rules.byRule(R"({"n":"1"})"), R"("many")");
  EXPECT_EQ(rules.byRule("[1,2]"), R"("many")");
  EXPECT_EQ(rules.byRule("{broken"), R"("many")");
  const Fallback bare = mustParse(R"({"rules":[{"field":"n","equals":1,"prediction":2}]})");
  EXPECT_EQ(bare.byRule(R"({"n":5})"), std::nullopt);
}

}  // namespace
}  // namespace corbel::models
