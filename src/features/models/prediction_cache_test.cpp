#include "models/prediction_cache.h"

#include <gmock/gmock.h>

#include <latch>
#include <set>

#include "models_fixture.h"

namespace corbel::models {
namespace {

using std::chrono::seconds;

class PredictionCacheTest : public ModelsTest {
 protected:
  PredictionCache cacheOf(std::int64_t maxBytes = 1 << 20) {
    return {*database, ids, clock, {.maxBytes = maxBytes, .maxTtl = seconds(1000)}};
  }
  static std::string hash(const std::string& input) {
    return PredictionCache::hashOf("v1", 1, input, "");
  }
  // Units are applied in order: once this one is done, so are those before it.
  void settle() {
    mustBe(
        database->write([](store::Transaction&) -> Result<int> { return 0; }, Deadline::never()));
  }
  void put(PredictionCache& cache, const std::string& input, const std::string& answer,
           seconds ttl = seconds(60)) {
    cache.put("acme", hash(input), answer, ttl);
    settle();
  }
  std::optional<std::string> find(PredictionCache& cache, const std::string& input,
                                  std::string_view tenant = "acme") {
    return cache.find(tenant, hash(input), Deadline::never());
  }
  void execute(store::Sql<0> sql) {
    ASSERT_TRUE(database->write([&](store::Transaction& tx) { return tx.execute(sql); },
                                Deadline::never()));
  }
  std::int64_t rows() {
    return *mustBe(database->read(
        [](store::Reader& reader) {
          return reader.query("SELECT COUNT(*) FROM prediction_cache")
              .one([](const store::Row& row) { return row.integer(0); });
        },
        Deadline::never()));
  }
};

TEST_F(PredictionCacheTest, AnswersUntilTheTimeIsOver) {
  PredictionCache cache = cacheOf();
  put(cache, "x", "\"prediction\":1");
  EXPECT_EQ(find(cache, "x"), "\"prediction\":1");
  clock.advance(seconds(59));
  EXPECT_TRUE(find(cache, "x"));
  clock.advance(seconds(1));
  EXPECT_FALSE(find(cache, "x"));
  EXPECT_EQ(cache.stats().hits, 2U);
  EXPECT_EQ(cache.stats().misses, 1U);
}

TEST_F(PredictionCacheTest, AnswersNoOtherTenant) {
  PredictionCache cache = cacheOf();
  put(cache, "x", "1");
  EXPECT_FALSE(find(cache, "x", "other"));
}

TEST_F(PredictionCacheTest, ReplacesAnAnswer) {
  PredictionCache cache = cacheOf();
  put(cache, "x", "1");
  put(cache, "x", "2");
  EXPECT_EQ(find(cache, "x"), "2");
  EXPECT_EQ(rows(), 1);
}

TEST_F(PredictionCacheTest, StaysBelowItsBytesByGivingUpTheOldest) {
  PredictionCache cache = cacheOf(200'000);
  for (int i = 0; i < 300; ++i) {
    cache.put("acme", hash(std::to_string(i)), std::string(700, 'x'), seconds(60 + i));
    if (i % 100 == 99) settle();
  }
  EXPECT_LE(rows(), 200);
  EXPECT_FALSE(find(cache, "0"));
  EXPECT_TRUE(find(cache, "299"));
}

TEST_F(PredictionCacheTest, CountsAReplacedAnswerOnce) {
  PredictionCache cache = cacheOf(2'500);
  put(cache, "kept", std::string(700, 'k'), seconds(30));
  for (int i = 0; i < 5; ++i) put(cache, "again", std::string(700, 'x'), seconds(60));
  EXPECT_TRUE(find(cache, "kept"));
}

TEST_F(PredictionCacheTest, KeepsNoAnswerLargerThanItself) {
  PredictionCache cache = cacheOf(1'000);
  put(cache, "small", "1");
  put(cache, "x", std::string(2'000, 'x'));
  EXPECT_FALSE(find(cache, "x"));
  EXPECT_TRUE(find(cache, "small"));
}

TEST_F(PredictionCacheTest, DropsWhatHasExpiredAndItsBytes) {
  PredictionCache cache = cacheOf(2'500);
  put(cache, "a", std::string(700, 'a'), seconds(10));
  put(cache, "b", std::string(700, 'b'), seconds(100));
  clock.advance(seconds(10));
  ASSERT_TRUE(cache.removeExpired(Deadline::never()));
  EXPECT_EQ(rows(), 1);
  put(cache, "c", std::string(700, 'c'), seconds(100));
  EXPECT_TRUE(find(cache, "b"));
}

// A unit that makes the store give up the whole transaction lets the others run once more.
TEST_F(PredictionCacheTest, CountsOnceWhatRunsTwice) {
  PredictionCache cache = cacheOf(2'500);
  std::latch queued(1);
  database->write({.apply = [&](store::Transaction&) -> Result<void> {
                     queued.wait();
                     return {};
                   },
                   .done = [](const Result<void>&) {}});
  cache.put("acme", hash("a"), std::string(700, 'a'), seconds(60));
  database->write({.apply = [](store::Transaction& tx) { return tx.execute("ROLLBACK"); },
                   .done = [](const Result<void>&) {}});
  queued.count_down();
  settle();
  put(cache, "b", std::string(700, 'b'));
  EXPECT_TRUE(find(cache, "a"));
  EXPECT_EQ(rows(), 2);
}

// Else what was taken off for rows that are still there would be room for more.
TEST_F(PredictionCacheTest, CountsAnewWhenExpiredRowsCouldNotBeRemoved) {
  PredictionCache cache = cacheOf(2'500);
  put(cache, "a", std::string(700, 'a'), seconds(10));
  put(cache, "b", std::string(700, 'b'), seconds(10));
  clock.advance(seconds(10));
  execute("CREATE TABLE keepers (id TEXT REFERENCES prediction_cache (id))");
  execute("INSERT INTO keepers SELECT id FROM prediction_cache");
  EXPECT_FALSE(cache.removeExpired(Deadline::never()));
  execute("DELETE FROM keepers");
  put(cache, "c", std::string(700, 'c'));
  EXPECT_EQ(rows(), 1);
}

TEST_F(PredictionCacheTest, KeepsNothingLongerThanTheOperatorAllows) {
  PredictionCache cache = cacheOf();
  put(cache, "x", "1", seconds(5'000));
  clock.advance(seconds(999));
  EXPECT_TRUE(find(cache, "x"));
  clock.advance(seconds(1));
  EXPECT_FALSE(find(cache, "x"));
  PredictionCache off{*database, ids, clock, {.maxBytes = 1'000, .maxTtl = seconds(0)}};
  put(off, "y", "1");
  EXPECT_FALSE(find(off, "y"));
}

// Whoever stops the program destroys the cache before the database, which then commits what is
// queued.
TEST_F(PredictionCacheTest, MayGoBeforeItsUnitsHaveRun) {
  {
    PredictionCache cache = cacheOf();
    cache.put("acme", hash("x"), "1", seconds(60));
  }
  settle();
  EXPECT_EQ(rows(), 1);
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
