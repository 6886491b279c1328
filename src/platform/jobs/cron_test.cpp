#include "jobs/cron.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/timestamp.h"

namespace corbel::jobs {
namespace {

std::string next(std::string_view cron, std::string_view after) {
  const auto parsed = Cron::parse(cron);
  if (!parsed) return parsed.error().message;
  return toRfc3339(parsed->next(parseRfc3339(after).value()));
}

TEST(Cron, FindsTheNextMinuteOfAFullHour) {
  EXPECT_EQ(next("0 * * * *", "2026-03-01T10:00:00Z"), "2026-03-01T11:00:00.000Z");
  EXPECT_EQ(next("0 * * * *", "2026-03-01T10:59:59.999Z"), "2026-03-01T11:00:00.000Z");
}

TEST(Cron, TakesStepsListsRangesAndNames) {
  EXPECT_EQ(next("*/15 8-10,20 * * *", "2026-03-01T10:45:00Z"), "2026-03-01T20:00:00.000Z");
  EXPECT_EQ(next("30 9 * * MON-fri", "2026-03-06T09:30:00Z"), "2026-03-09T09:30:00.000Z");
  EXPECT_EQ(next("0 0 1 feb *", "2026-03-01T00:00:00Z"), "2027-02-01T00:00:00.000Z");
  EXPECT_EQ(next("5/20 * * * *", "2026-03-01T00:25:00Z"), "2026-03-01T00:45:00.000Z");
}

TEST(Cron, TakesSecondsInFront) {
  EXPECT_EQ(next("*/10 * * * * *", "2026-03-01T00:00:01Z"), "2026-03-01T00:00:10.000Z");
}

TEST(Cron, SevenIsSundayToo) {
  EXPECT_EQ(next("0 0 * * 7", "2026-03-02T00:00:00Z"), "2026-03-08T00:00:00.000Z");
  EXPECT_EQ(next("0 0 * * 7", "2026-03-02T00:00:00Z"), next("0 0 * * 0", "2026-03-02T00:00:00Z"));
}

TEST(Cron, EitherDayIsEnoughWhereBothAreRestricted) {
  EXPECT_EQ(next("0 0 13 * fri", "2026-03-01T00:00:00Z"), "2026-03-06T00:00:00.000Z");
  EXPECT_EQ(next("0 0 13 * fri", "2026-04-10T00:00:00Z"), "2026-04-13T00:00:00.000Z");
}

TEST(Cron, WaitsForTheNextLeapYear) {
  EXPECT_EQ(next("0 0 29 2 *", "2096-03-01T00:00:00Z"), "2104-02-29T00:00:00.000Z");
}

TEST(Cron, KnowsNicknames) {
  EXPECT_EQ(next("@daily", "2026-12-31T12:00:00Z"), "2027-01-01T00:00:00.000Z");
}

TEST(Cron, SaysWhichFieldIsWrong) {
  EXPECT_EQ(Cron::parse("61 * * * *").error().message,
            "/cron: the minute must be *, numbers from 0 to 59, ranges such as 0-1 or steps such "
            "as */2, got \"61\"");
  for (const char* wrong :
       {"", "* * * *", "* * * * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "1, * * * *",
        "-1 * * * *", "*-5 * * * *", "1-2-3 * * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "99999999999 * * * *", "@noon", ",1 * * * *", "1//2 * * * *"}) {
    EXPECT_FALSE(Cron::parse(wrong)) << wrong;
  }
}

TEST(Cron, RefusesADayThatNeverComes) {
  EXPECT_EQ(Cron::parse("0 0 30 2 *").error().message, "/cron: is never due: there is no such day");
}

TEST(Cron, FindsTheLastOfMany) {
  const Timestamp start(std::chrono::milliseconds(1'772'323'200'000));  // 2026-03-01
  for (const std::string_view text : {"* * * * * *", "*/7 * * * *", "0 3 * * *", "30 12 15 * *",
                                      "59 59 23 31 12 *", "0 0 1 1 *"}) {
    const auto cron = Cron::parse(text);
    ASSERT_TRUE(cron) << text;
    const Timestamp first = cron->next(start);
    for (const std::int64_t later : {0, 1, 999, 1'000, 1'001, 59'999, 3'599'000, 86'400'001}) {
      const Timestamp until = first + std::chrono::milliseconds(later);
      Timestamp walked = first;
      for (Timestamp next = first; next <= until; next = cron->next(next)) walked = next;
      EXPECT_EQ(cron->lastUntil(until, first), walked) << text << " " << later;
    }
  }
}

// Second by second, as one would look for it by hand.
TEST(Cron, IsNeverEarlyAndNeverLate) {
  std::mt19937 random(7);
  const auto number = [&](int least, int most) {
    return std::to_string(least +
                          static_cast<int>(random() % static_cast<unsigned>(most - least + 1)));
  };
  const auto field = [&](int least, int most) {
    switch (random() % 4) {
      case 0:
        return number(least, most);
      case 1:
        return "*/" + number(2, 7);
      case 2:
        return number(least, (least + most) / 2) + "-" + number((least + most) / 2, most);
      default:
        return std::string("*");
    }
  };
  for (int i = 0; i < 200; ++i) {
    const std::string text = number(0, 59) + " " + field(0, 59) + " " + field(0, 23) + " * * *";
    const auto cron = Cron::parse(text);
    ASSERT_TRUE(cron) << text;
    const Timestamp start(std::chrono::milliseconds(
        1'772'323'200'000 + static_cast<std::int64_t>(random() % 86'400'000)));
    const Timestamp found = cron->next(start);
    ASSERT_GT(found, start);
    EXPECT_EQ(cron->next(found - std::chrono::milliseconds(1)), found) << text;
    EXPECT_LT(found - start, std::chrono::hours(48)) << text;
    const auto middle = start + (found - start) / 2;
    if (middle < found) {
      EXPECT_EQ(cron->next(middle), found) << text;
    }
  }
}

}  // namespace
}  // namespace corbel::jobs
