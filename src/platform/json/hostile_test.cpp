// Bodies that are made to cost much: each is refused quickly, on a flat stack.
#include <bits/time.h>
#include <gtest/gtest.h>
#include <time.h>

#include <ctime>

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/decode.h"
#include "json/test_types.h"
#include "json/values.h"

namespace corbel::json {
namespace {

using namespace test;

#if defined(NDEBUG)
constexpr int kMillion = 1'000'000;
constexpr std::chrono::milliseconds kAllowed{50};
#else
constexpr int kMillion = 100'000;  // not optimised, perhaps with sanitizers
constexpr std::chrono::milliseconds kAllowed{500};
#endif

// Of this thread: the machine may be busy with other things.
std::chrono::nanoseconds cpuTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

template <class T>
void expectRefusedQuickly(const std::string& json) {
  const auto start = cpuTime();
  const auto result = decode<T>(json);
  const auto spent = cpuTime() - start;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::invalidArgument);
  EXPECT_LT(result.error().message.size(), 1000);
  EXPECT_LT(spent, kAllowed);
}

std::string repeated(std::string_view part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

std::string manyKeys(int count) {
  std::string json = "{";
  for (int i = 0; i < count; ++i) json += "\"" + std::to_string(i) + "\":0,";
  return json;
}

TEST(HostileJson, AMillionBrackets) {
  const std::string open(kMillion, '[');
  expectRefusedQuickly<Tree>(open);
  expectRefusedQuickly<Document>(open);
  expectRefusedQuickly<std::vector<Tree>>(open);
  expectRefusedQuickly<Tree>(repeated(R"({"children":[)", kMillion / 10));
}

TEST(HostileJson, AMillionKeys) {
  const std::string keys = manyKeys(kMillion);
  expectRefusedQuickly<Person>(keys + "\"a\":0}");
  expectRefusedQuickly<std::map<std::string, int>>(keys + "\"a\":0}");
}

TEST(HostileJson, AsManyKeysInADocumentAsABodyHolds) {
  expectRefusedQuickly<Document>(manyKeys(kMillion / 11) + "\"0\":0}");
}

TEST(HostileJson, TheSameKeyAgainAndAgain) {
  expectRefusedQuickly<Person>("{" + repeated("\"age\":1,", kMillion / 2) + "\"age\":1}");
  expectRefusedQuickly<Document>("{" + repeated("\"a\":1,", kMillion / 10) + "\"a\":1}");
}

TEST(HostileJson, NumbersOfAMegabyte) {
  const std::string digits(kMillion, '9');
  expectRefusedQuickly<int>(digits);
  expectRefusedQuickly<double>(digits);
  expectRefusedQuickly<double>("1e" + digits);
  expectRefusedQuickly<Person>("{\"age\":-0." + digits + "}");
}

TEST(HostileJson, TextsOfAMegabyte) {
  const std::string text(kMillion, 'x');
  expectRefusedQuickly<Person>("{\"name\":\"" + text + "\",\"age\":1}");
  expectRefusedQuickly<Person>("{\"" + text + "\":1}");
  expectRefusedQuickly<Status>("\"" + repeated("\\u0041", kMillion / 6) + "\"");
}

TEST(HostileJson, AMegabyteOfBackslashesQuotesAndSpaces) {
  expectRefusedQuickly<Person>(std::string(kMillion, '\\'));
  expectRefusedQuickly<Person>(std::string(kMillion + 1, '"'));
  expectRefusedQuickly<Person>(std::string(kMillion, ' '));
  expectRefusedQuickly<Person>("[" + std::string(kMillion, ' ') + "x");
  expectRefusedQuickly<Person>(repeated("\"\\", kMillion / 2));
}

TEST(HostileJson, ManySmallItems) {
  expectRefusedQuickly<std::vector<Tree>>("[" + repeated("{\"leaf\":0},", kMillion / 10) + "{}]");
  expectRefusedQuickly<std::vector<std::vector<int>>>("[" + repeated("[],", kMillion / 3) + "[]]");
}

TEST(HostileJson, InvalidUtf8AtTheEnd) {
  expectRefusedQuickly<Person>("{\"name\":\"" + std::string(kMillion, 'x') + "\xed\xa0\x80\"}");
}

}  // namespace
}  // namespace corbel::json
