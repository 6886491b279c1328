#include "base/json_text.h"

#include <gtest/gtest.h>

namespace corbel {
namespace {

std::string asJson(std::string_view text) {
  std::string out;
  appendJsonString(out, text);
  return out;
}

TEST(JsonText, KeepsPlainTextAndUnicode) {
  EXPECT_EQ(asJson(""), R"("")");
  EXPECT_EQ(asJson("größe 猫 😀"), "\"größe 猫 😀\"");
}

TEST(JsonText, EscapesWhatWouldEndTheStringOrTheLine) {
  EXPECT_EQ(asJson("a\"b\\c\r\n\t"), R"("a\"b\\c\r\n\t")");
  EXPECT_EQ(asJson("\u2028\u2029"), R"("\u2028\u2029")");
}

TEST(JsonText, EscapesEveryByteAtEveryPlaceOfALongText) {
  for (const char special : {'"', '\\', '\n', '\0', '\x1f', '\x7f'}) {
    const std::string escaped = asJson(std::string_view(&special, 1)).substr(1);
    for (std::size_t place = 0; place < 20; ++place) {
      std::string text(20, '~');
      text[place] = special;
      const std::string before = "\"" + std::string(place, '~');
      EXPECT_EQ(asJson(text), before + escaped.substr(0, escaped.size() - 1) +
                                  std::string(19 - place, '~') + '"');
    }
  }
}

TEST(JsonText, EscapesTerminalControls) {
  EXPECT_EQ(asJson("\x1b[31m"), R"("\u001b[31m")");
  EXPECT_EQ(asJson("\x7f\u009b"), R"("\u007f\u009b")");
  EXPECT_EQ(asJson(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(JsonText, ReplacesEveryByteThatIsNotUtf8) {
  for (const std::string_view bad : {"\x80", "\xC1", "\xF5", "\xE2", "\xFF"})
    EXPECT_EQ(asJson(bad), "\"\uFFFD\"");
  EXPECT_EQ(asJson("\xC0\xAF"), "\"\uFFFD\uFFFD\"") << "overlong";
  EXPECT_EQ(asJson("\xED\xA0\x80"), "\"\uFFFD\uFFFD\uFFFD\"") << "surrogate";
  EXPECT_EQ(asJson("\xF4\x90\x80\x80"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\"") << "above U+10FFFF";
  EXPECT_EQ(asJson("\xE2\x28\x41"), "\"\uFFFD(A\"");
}

}  // namespace
}  // namespace corbel
