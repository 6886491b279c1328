#include "redis/cache_tier.h"

#include <gtest/gtest.h>

#include <string>

#include "redis_server.h"

namespace corbel::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr cache::Key kRow{"acme", "predictions", "somebody@example.com"};

class CacheTierTest : public testing::Test {
 protected:
  Deadline soon() const { return Deadline::after(clock, seconds(5)); }
  Reply ask(std::initializer_list<std::string_view> words) {
    return client.command(words, soon()).value_or(Reply());
  }

  SystemClock clock;
  SystemRandom random;
  RedisServer server;
  Client client{{.port = server.port(), .timeout = milliseconds(1'000)}, clock, random};
  CacheTier tier{client, clock};
};

TEST_F(CacheTierTest, SharesValuesOfAnyBytes) {
  const std::string value("1 \r\n\0\xff", 6);
  tier.put(kRow, {value, seconds(60)}, seconds(10));
  Client other({.port = server.port(), .timeout = milliseconds(1'000)}, clock, random);
  CacheTier second(other, clock);
  const auto found = second.find(kRow, soon());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, value);
  EXPECT_GT(found->freshFor, seconds(50));
  EXPECT_LE(found->freshFor, seconds(60));
  EXPECT_FALSE(second.find({"other", kRow.kind, kRow.name}, soon()));
}

TEST_F(CacheTierTest, ForgetsItsValuesAndNothingElse) {
  for (int i = 0; i < 1'200; ++i)
    tier.put({"acme", "predictions", std::to_string(i)}, {"canary", seconds(60)}, seconds(10));
  ask({"SET", "corbel:limit:x", "1"});
  EXPECT_EQ(tier.forget("acme", soon()), 1'200);
  EXPECT_EQ(ask({"DBSIZE"}).integer, 1);
  EXPECT_EQ(tier.forget("acme", soon()), 0);
}

TEST_F(CacheTierTest, KeepsStaleValuesForTheirTimeAndNoNames) {
  tier.put(kRow, {"1", milliseconds(1)}, seconds(10));
  poll(nullptr, 0, 5);
  const auto stale = tier.find(kRow, soon());
  ASSERT_TRUE(stale);
  EXPECT_LE(stale->freshFor, milliseconds(0));
  const Reply keys = ask({"KEYS", "*"});
  ASSERT_EQ(keys.elements.size(), 1u);
  EXPECT_TRUE(keys.elements[0].text.starts_with("corbel:cache:predictions:"));
  EXPECT_FALSE(keys.elements[0].text.contains("somebody"));
  const auto left = ask({"PTTL", keys.elements[0].text}).integer;
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 10'001);
}

TEST_F(CacheTierTest, TakesNonsenseForNothing) {
  tier.put(kRow, {"1", seconds(60)}, seconds(10));
  const std::string key = ask({"KEYS", "*"}).elements.at(0).text;
  for (const std::string_view nonsense : {"", "x", "-1 x", "99999999999999 x"}) {
    ask({"SET", key, nonsense});
    EXPECT_FALSE(tier.find(kRow, soon())) << nonsense;
  }
  ask({"DEL", key});
  ask({"LPUSH", key, "x"});
  EXPECT_FALSE(tier.find(kRow, soon()));
}

TEST_F(CacheTierTest, HasNothingWhileTheServerIsAway) {
  server.kill();
  tier.put(kRow, {"1", seconds(60)}, seconds(10));
  EXPECT_FALSE(tier.find(kRow, soon()));
}

TEST_F(CacheTierTest, KeepsNoLargeValues) {
  tier.put(kRow, {std::string(2'000'000, 'x'), seconds(60)}, seconds(10));
  EXPECT_FALSE(tier.find(kRow, soon()));
}

}  // namespace
}  // namespace corbel::redis
