#include "json/cursor.h"

#include <bits/basic_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace corbel::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bool isValid(std::string_view json) {
  Cursor cursor(json);
  return cursor.skip() && cursor.finish();
}

std::string whyInvalid(std::string_view json) {
  Cursor cursor(json);
  if (cursor.skip()) cursor.finish();
  return cursor.failed() ? cursor.error().fields.front().message : "valid";
}

Number number(std::string_view json) { return Cursor(json).number().value(); }

TEST(Cursor, WalksFieldsInTheirOrder) {
  Cursor cursor(R"({"a":1,"b" : "x", "c":[true,null,[]],"d":{}})");
  std::vector<std::string> names;
  ASSERT_TRUE(cursor.enterObject());
  while (cursor.nextField()) {
    names.emplace_back(cursor.key());
    EXPECT_TRUE(cursor.skip());
  }
  EXPECT_TRUE(cursor.finish());
  EXPECT_THAT(names, ElementsAre("a", "b", "c", "d"));
}

TEST(Cursor, KeepsAValueOfAnotherKindForTheNextCall) {
  Cursor cursor("[true]");
  ASSERT_TRUE(cursor.enterArray() && cursor.nextItem());
  EXPECT_FALSE(cursor.number());
  EXPECT_FALSE(cursor.text());
  EXPECT_FALSE(cursor.null());
  EXPECT_EQ(cursor.token(), Token::boolean);
  EXPECT_EQ(cursor.boolean(), true);
  EXPECT_FALSE(cursor.nextItem());
  EXPECT_TRUE(cursor.finish());
}

TEST(Cursor, GivesTheUntouchedTextOfAnyValue) {
  Cursor cursor("[ {\"a\" : [1 ]} , 1.50 ,\t\"x\\n\" ]");
  ASSERT_TRUE(cursor.enterArray());
  std::vector<std::string> texts;
  while (cursor.nextItem()) texts.emplace_back(cursor.raw().value());
  EXPECT_THAT(texts, ElementsAre("{\"a\" : [1 ]}", "1.50", "\"x\\n\""));
}

TEST(Cursor, ShowsTextWithoutEscapesInPlace) {
  const std::string json = R"(["plain","es\u0063aped"])";
  Cursor cursor(json);
  ASSERT_TRUE(cursor.enterArray() && cursor.nextItem());
  EXPECT_EQ(cursor.text()->data(), json.data() + 2);
  ASSERT_TRUE(cursor.nextItem());
  EXPECT_EQ(cursor.text(), "escaped");
}

TEST(Cursor, KnowsWhichNumbersAreIntegers) {
  EXPECT_EQ(number("-9223372036854775808").integer, INT64_MIN);
  EXPECT_EQ(number("9223372036854775807").integer, INT64_MAX);
  EXPECT_FALSE(number("9223372036854775808").isInteger);
  EXPECT_EQ(number("9223372036854775808").value, 9223372036854775808.0);
  EXPECT_FALSE(number("1.0").isInteger);
  EXPECT_FALSE(number("1e0").isInteger);
  EXPECT_TRUE(number("-0").isInteger);
  EXPECT_TRUE(std::signbit(number("-0").value));
}

TEST(Cursor, RoundsNumbersCorrectly) {
  EXPECT_EQ(number("0.1").value, 0.1);
  EXPECT_EQ(number("17.99").value, 17.99);
  EXPECT_EQ(number("9007199254740993").value, 9007199254740992.0);
  EXPECT_EQ(number("1.7976931348623157e308").value, 1.7976931348623157e308);
  EXPECT_EQ(number("2.2250738585072011e-308").value, 2.2250738585072011e-308);
  EXPECT_EQ(number("0.30000000000000004440892098500626").value, 0.30000000000000004);
  EXPECT_EQ(number("1e23").value, 1e23);
  EXPECT_EQ(number("123456789012345678901234567890").value, 123456789012345678901234567890.0);
}

TEST(Cursor, GivesInfinityAndZeroBeyondDouble) {
  EXPECT_EQ(number("1e309").value, INFINITY);
  EXPECT_EQ(number("-1" + std::string(400, '0')).value, -INFINITY);
  EXPECT_EQ(number("1e-400").value, 0);
  EXPECT_EQ(number("0e999999999999999999999").value, 0);
  EXPECT_EQ(number("1e99999999999999999999").value, INFINITY);
  EXPECT_EQ(number("0." + std::string(500, '0') + "1e501").value, 1);
}

TEST(Cursor, AcceptsEveryEdgeOfTheGrammar) {
  for (const std::string json :
       {"0", "-0", "-0.0e-0", "1E+2", "1e05", "\"\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"",
        "\"\\/\\b\\f\"", "\"\x7f\"", "[]", "{}", "[[]]", "\"\xf4\x8f\xbf\xbf\"", "{\"\":0}",
        " \t\r\n true \n", "null", "[1,\"a\",false]"}) {
    EXPECT_EQ(whyInvalid(json), "valid") << json;
  }
}

TEST(Cursor, RefusesEveryMalformedVariant) {
  for (const std::string json : {"",
                                 " ",
                                 "{",
                                 "}",
                                 "[",
                                 "]",
                                 "[1",
                                 "[1,",
                                 "[,1]",
                                 "[1,]",
                                 "[1 2]",
                                 "[1}",
                                 "{]",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1,}",
                                 "{,}",
                                 "{\"a\":1 \"b\":2}",
                                 "{a:1}",
                                 "{'a':1}",
                                 "{1:1}",
                                 "{\"a\" 1}",
                                 "{\"a\"::1}",
                                 "01",
                                 "-",
                                 "+1",
                                 "-01",
                                 "1.",
                                 ".5",
                                 "1.e1",
                                 "1e",
                                 "1e+",
                                 "0x1",
                                 "1_0",
                                 "1a",
                                 "--1",
                                 "NaN",
                                 "Infinity",
                                 "-Infinity",
                                 "nan",
                                 "tru",
                                 "truee",
                                 "True",
                                 "nul",
                                 "nulll",
                                 "nonsense",
                                 "\"",
                                 "\"\\\"",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\u12G4\"",
                                 "\"\\u+123\"",
                                 "\"\\u-123\"",
                                 "\"\\ud800\"",
                                 "\"\\ud800\\u0041\"",
                                 "\"\\udc00\"",
                                 "\"\\ud800\\ud800\"",
                                 "\"\n\"",
                                 "\"\t\"",
                                 "\"a\"b",
                                 "\"a\"\"b\"",
                                 "\"a\\\"",
                                 "\\",
                                 "\"a\"\\\"",
                                 "1 2",
                                 "{} {}",
                                 "[]]",
                                 "// x\n1",
                                 "/**/1",
                                 "\xef\xbb\xbf{}",
                                 "\"\xff\"",
                                 "\"\xc0\xaf\"",
                                 "\"\xed\xa0\x80\"",
                                 "\xff",
                                 "'a'",
                                 "[1]x",
                                 "{\"a\\q\":1}",
                                 "{\"a\":1}}",
                                 "undefined"}) {
    EXPECT_FALSE(isValid(json)) << json;
  }
}

TEST(Cursor, RefusesNulBytesAnywhere) {
  using std::string_literals::operator""s;
  for (const std::string& json :
       {"\0"s, "1\0"s, "\"\0\""s, "[1,\0 2]"s, "{\"a\0\":1}"s, "true\0"s, "\0{}"s}) {
    EXPECT_FALSE(isValid(json)) << testing::PrintToString(json);
  }
}

TEST(Cursor, SaysWhereAndWhyTextIsMalformed) {
  EXPECT_EQ(whyInvalid("{\"a\":1,}"),
            "is not valid JSON at byte 7: a field name in double quotes is expected");
  EXPECT_EQ(whyInvalid("[1 2]"), "is not valid JSON at byte 3: ',' or ']' is expected");
  EXPECT_EQ(whyInvalid("{\"ab\": 01}"), "is not valid JSON at byte 7: this is not a number");
  EXPECT_EQ(whyInvalid("[\"ok\",\"\xff\"]"), "is not valid JSON at byte 7: the text is not UTF-8");
  EXPECT_EQ(whyInvalid("[\"a\nb\"]"),
            "is not valid JSON at byte 3: control characters must be escaped");
  EXPECT_EQ(whyInvalid("[\"a\", \"b]"),
            "is not valid JSON at byte 6: the text that begins here has no end");
  EXPECT_EQ(whyInvalid("[1] x"), "is not valid JSON at byte 4: the text goes on behind its value");
  EXPECT_EQ(whyInvalid(""), "is not valid JSON at byte 0: the text is empty");
  EXPECT_EQ(whyInvalid("[1,"), "is not valid JSON at byte 3: a value is expected");
}

TEST(Cursor, NamesTheValueThatTheTextBreaksIn) {
  Cursor cursor(R"({"a":[1,{"b":tru}]})");
  cursor.skip();
  EXPECT_EQ(
      cursor.error().fields,
      (std::vector<FieldError>{{"/a/1/b", "is not valid JSON at byte 13: a value is expected"}}));
  EXPECT_EQ(cursor.error().message, "/a/1/b: is not valid JSON at byte 13: a value is expected");
}

TEST(Cursor, CallsNumbersThatJsonDoesNotHaveByTheirNames) {
  for (const std::string word : {"NaN", "nan", "Infinity", "-Infinity"}) {
    const std::string json = "{\"a\": [1, " + word + " ]}";
    Cursor cursor(json);
    cursor.skip();
    EXPECT_EQ(
        cursor.error().fields,
        (std::vector<FieldError>{{"/a/1", "must be a number; " + word +
                                              " is not JSON, send null for a missing value"}}));
  }
  EXPECT_EQ(whyInvalid("{NaN: 1}"),
            "is not valid JSON at byte 1: a field name in double quotes is expected");
}

TEST(Cursor, AllowsNestingUpToTheLimit) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(whyInvalid(nested(limits::kJsonDepth)), "valid");
  EXPECT_THAT(whyInvalid(nested(limits::kJsonDepth + 1)),
              HasSubstr("at byte 64: lists and objects are nested too deep"));
}

TEST(Cursor, TracksObjectsAndListsOnAllLevels) {
  std::string opening;
  std::string closing;
  for (int level = 0; level < limits::kJsonDepth; ++level) {
    opening += level % 3 == 0 ? "{\"a\":" : "[";
    closing.insert(0, level % 3 == 0 ? "}" : "]");
  }
  std::string json = opening.append("1").append(closing);
  EXPECT_EQ(whyInvalid(json), "valid");
  json[json.size() - 2] = json[json.size() - 2] == '}' ? ']' : '}';
  EXPECT_FALSE(isValid(json));
}

TEST(Cursor, WorksInsideAnother) {
  Cursor outer(R"([{"a":[1,2]},3])");
  ASSERT_TRUE(outer.enterArray() && outer.nextItem());
  const auto raw = outer.raw();
  Cursor inner(*raw);
  EXPECT_TRUE(inner.skip() && inner.finish());
  ASSERT_TRUE(outer.nextItem());
  EXPECT_EQ(outer.number()->integer, 3);
}

// Every suffix of the text lies directly in front of memory that must not be read.
TEST(Cursor, ReadsNothingBehindTheText) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  auto* const pages = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(pages + page, page, PROT_NONE), 0);
  const std::string json =
      R"({"name":"a\u0041","list":[1.5,-20,true,false,null,"text",{"x":"\ud83d\ude00"}],"n":123456.789e1})";
  for (std::size_t length = 0; length <= json.size(); ++length) {
    for (const std::string_view part :
         {std::string_view(json).substr(0, length), std::string_view(json).substr(length)}) {
      char* const at = pages + page - part.size();
      std::memcpy(at, part.data(), part.size());
      whyInvalid({at, part.size()});
    }
  }
  EXPECT_EQ(munmap(pages, 2 * page), 0);
}

}  // namespace
}  // namespace corbel::json
