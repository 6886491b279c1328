#include "models/prediction_cache.h"

#include <gtest/gtest.h>

#include <set>

namespace corbel::models {
namespace {

using std::chrono::seconds;

class PredictionCacheTest : public testing::Test {
 protected:
  static std::string ask(PredictionCache& cache, const std::string& answer, seconds ttl,
                         std::string_view tenant = "acme") {
    const auto found = cache.findOrMake(tenant, "hash", ttl, Deadline::never(),
                                        [&]() -> Result<std::string> { return answer; });
    return found ? *found : found.error().message;
  }

  ManualClock clock;
  cache::Cache values{{}, nullptr, clock};
  PredictionCache cache{values, seconds(1'000)};
};

TEST_F(PredictionCacheTest, AnswersUntilTheTimeIsOver) {
  EXPECT_EQ(ask(cache, "1", seconds(60)), "1");
  clock.advance(seconds(59));
  EXPECT_EQ(ask(cache, "2", seconds(60)), "1");
  clock.advance(seconds(1));
  EXPECT_EQ(ask(cache, "3", seconds(60)), "3");
}

TEST_F(PredictionCacheTest, SaysWhyThereIsNoFreshAnswerAndKeepsTheOldOne) {
  EXPECT_EQ(ask(cache, "1", seconds(60)), "1");
  clock.advance(seconds(61));
  const auto failed = cache.findOrMake("acme", "hash", seconds(60), Deadline::never(), [] {
    return Result<std::string>(fail(ErrorCode::unavailable, "broken"));
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "broken");
  const auto old = cache.findAny("acme", "hash", Deadline::never());
  ASSERT_TRUE(old);
  EXPECT_EQ(old->value, "1");
  EXPECT_LE(old->freshFor, std::chrono::milliseconds(0));
}

TEST_F(PredictionCacheTest, AnswersNoOtherTenant) {
  EXPECT_EQ(ask(cache, "1", seconds(60)), "1");
  EXPECT_EQ(ask(cache, "2", seconds(60), "other"), "2");
}

TEST_F(PredictionCacheTest, KeepsNothingLongerThanTheOperatorAllows) {
  EXPECT_EQ(ask(cache, "1", seconds(5'000)), "1");
  clock.advance(seconds(999));
  EXPECT_EQ(ask(cache, "2", seconds(5'000)), "1");
  clock.advance(seconds(1));
  EXPECT_EQ(ask(cache, "3", seconds(5'000)), "3");
  PredictionCache off{values, seconds(0)};
  EXPECT_EQ(ask(off, "4", seconds(60)), "4");
}

TEST(PredictionCacheHash, DependsOnEverythingThatTheAnswerDoes) {
  const auto hash = PredictionCache::hashOf;
  const std::set<std::string> all = {hash("v1", 1, "{}", "c"), hash("v2", 1, "{}", "c"),
                                     hash("v1", 2, "{}", "c"), hash("v1", 1, "[]", "c"),
                                     hash("v1", 1, "{}", "i"), hash("v1", 1, "c{}", "")};
  EXPECT_EQ(all.size(), 6U);
  EXPECT_EQ(hash("v1", 1, "{}", "c"), hash("v1", 1, "{}", "c"));
}

}  // namespace
}  // namespace corbel::models
