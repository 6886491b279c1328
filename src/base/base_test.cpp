#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"

namespace corbel {
namespace {

TEST(IdSource, GivesIncreasingUuidsWhileTheClockStandsStill) {
  ManualClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  std::string last = ids.next();
  for (int i = 0; i < 10'000; ++i) {
    const std::string next = ids.next();
    ASSERT_TRUE(isUuid(next)) << next;
    ASSERT_LT(last, next);
    last = next;
  }
}

TEST(IdSource, MarksVersionSevenAndTheRfcVariant) {
  ManualClock clock;
  SystemRandom random;
  const std::string id = IdSource(clock, random).next();
  EXPECT_EQ(id[14], '7');
  EXPECT_TRUE(std::string("89ab").contains(id[19])) << id;
}

TEST(Timestamp, RoundTripsAsRfc3339) {
  const std::string text = "2026-01-31T12:34:56.789Z";
  EXPECT_EQ(toRfc3339(*parseRfc3339(text)), text);
}

TEST(Timestamp, ReadsOffsetsAndFractions) {
  EXPECT_EQ(toRfc3339(*parseRfc3339("2026-01-31T14:00:00.123456+02:00")),
            "2026-01-31T12:00:00.123Z");
  EXPECT_EQ(toRfc3339(*parseRfc3339("2026-01-31t12:00:00z")), "2026-01-31T12:00:00.000Z");
}

TEST(Timestamp, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2026-02-30T00:00:00Z", "2026-01-31", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00",
        "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00+0200"}) {
    EXPECT_FALSE(parseRfc3339(text)) << text;
  }
}

TEST(Text, TakesPartsUntilASeparator) {
  std::string_view rest = "a,,b";
  EXPECT_EQ(takeUntil(rest, ','), "a");
  EXPECT_EQ(takeUntil(rest, ','), "");
  EXPECT_EQ(takeUntil(rest, ','), "b");
  EXPECT_TRUE(rest.empty());
}

TEST(Text, ParsesWholeNumbersOnly) {
  EXPECT_EQ(parseNumber<int>("42"), 42);
  EXPECT_FALSE(parseNumber<int>("42x"));
  EXPECT_FALSE(parseNumber<int>(""));
}

}  // namespace
}  // namespace corbel
