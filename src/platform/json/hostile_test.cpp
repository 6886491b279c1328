// Bodies that are made to cost much: each is refused quickly, on a flat stack.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "json/decode.h"
#include "test_types.h"

namespace corbel::json {
namespace {

using namespace test;

#if defined(NDEBUG)
constexpr std::chrono::milliseconds kAllowed{50};
#else
constexpr std::chrono::milliseconds kAllowed{1000};  // not optimised, perhaps with sanitizers
#endif

template <class T>
void expectRefusedQuickly(const std::string& json) {
  const auto start = std::chrono::steady_clock::now();
  const auto result = decode<T>(json);
  const auto spent = std::chrono::steady_clock::now() - start;
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
  const std::string open(1'000'000, '[');
  expectRefusedQuickly<Tree>(open);
  expectRefusedQuickly<Document>(open);
  expectRefusedQuickly<std::vector<Tree>>(open);
  expectRefusedQuickly<Tree>(repeated(R"({"children":[)", 100'000));
}

TEST(HostileJson, AMillionKeys) {
  const std::string keys = manyKeys(1'000'000);
  expectRefusedQuickly<Person>(keys + "\"a\":0}");
  expectRefusedQuickly<std::map<std::string, int>>(keys + "\"a\":0}");
}

TEST(HostileJson, AsManyKeysInADocumentAsABodyHolds) {
  expectRefusedQuickly<Document>(manyKeys(90'000) + "\"0\":0}");
}

TEST(HostileJson, TheSameKeyAgainAndAgain) {
  expectRefusedQuickly<Person>("{" + repeated("\"age\":1,", 500'000) + "\"age\":1}");
  expectRefusedQuickly<Document>("{" + repeated("\"a\":1,", 100'000) + "\"a\":1}");
}

TEST(HostileJson, NumbersOfAMegabyte) {
  const std::string digits(1'000'000, '9');
  expectRefusedQuickly<int>(digits);
  expectRefusedQuickly<double>(digits);
  expectRefusedQuickly<double>("1e" + digits);
  expectRefusedQuickly<Person>("{\"age\":-0." + digits + "}");
}

TEST(HostileJson, TextsOfAMegabyte) {
  const std::string text(1'000'000, 'x');
  expectRefusedQuickly<Person>("{\"name\":\"" + text + "\",\"age\":1}");
  expectRefusedQuickly<Person>("{\"" + text + "\":1}");
  expectRefusedQuickly<Status>("\"" + repeated("\\u0041", 170'000) + "\"");
}

TEST(HostileJson, AMegabyteOfBackslashesQuotesAndSpaces) {
  expectRefusedQuickly<Person>(std::string(1'000'000, '\\'));
  expectRefusedQuickly<Person>(std::string(1'000'001, '"'));
  expectRefusedQuickly<Person>(std::string(1'000'000, ' '));
  expectRefusedQuickly<Person>("[" + std::string(1'000'000, ' ') + "x");
  expectRefusedQuickly<Person>(repeated("\"\\", 500'000));
}

TEST(HostileJson, ManySmallItems) {
  expectRefusedQuickly<std::vector<Tree>>("[" + repeated("{\"leaf\":0},", 100'000) + "{}]");
  expectRefusedQuickly<std::vector<std::vector<int>>>("[" + repeated("[],", 300'000) + "[]]");
}

TEST(HostileJson, InvalidUtf8AtTheEnd) {
  expectRefusedQuickly<Person>("{\"name\":\"" + std::string(1'000'000, 'x') + "\xed\xa0\x80\"}");
}

}  // namespace
}  // namespace corbel::json
