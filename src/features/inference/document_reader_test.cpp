#include "document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace corbel::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

template <std::size_t size>
std::string binary(const char (&text)[size]) {
  return {text, size - 1};
}

TEST(JsonReader, RoundsDecimalsToFloatOnce) {
  // Just above the middle between two floats: rounding to double first would lose the part that
  // decides.
  const auto values =
      readJson(bytes("[1.00000005960464478, 1.0000000596046448716, NaN, -Infinity, 1e-99, -1e99]"))
          ->floats();
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ((*values)[1], std::nextafter(1.0F, 2.0F));
  EXPECT_TRUE(std::isnan((*values)[2]));
  EXPECT_EQ((*values)[3], -std::numeric_limits<float>::infinity());
  EXPECT_EQ((*values)[4], 0);
  EXPECT_EQ((*values)[5], -std::numeric_limits<float>::infinity());
}

TEST(JsonReader, DecodesEscapes) {
  const auto text = readJson(bytes(R"("a\n\"\u00e9\ud83d\ude00")"))->text();
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "a\n\"\xC3\xA9\xF0\x9F\x98\x80");
}

TEST(JsonReader, RefusesHalfASurrogatePair) {
  EXPECT_FALSE(readJson(bytes(R"("\ud83d")"))->text());
  EXPECT_FALSE(readJson(bytes(R"("\ude00")"))->text());
  EXPECT_FALSE(readJson(bytes(R"("\ud83d\u0041")"))->text());
}

TEST(JsonReader, RefusesIntegersOfMoreThan32Bits) {
  EXPECT_TRUE(readJson(bytes("2147483647"))->integer());
  EXPECT_FALSE(readJson(bytes("2147483648"))->integer());
  EXPECT_FALSE(readJson(bytes("1.5"))->integer());
}

TEST(JsonReader, SkipsWhatTheCallerDoesNotWant) {
  const auto reader = readJson(bytes(R"({"a":{"b":[1,"]}",{}],"c":null},"d":7})"));
  std::int32_t d = 0;
  ASSERT_TRUE(reader->object([&](std::string_view key) -> Result<void> {
    if (key != "d") return reader->skip();
    d = reader->integer().value_or(-1);
    return {};
  }));
  EXPECT_EQ(d, 7);
}

TEST(JsonReader, RefusesBracketsThatDoNotMatch) {
  EXPECT_FALSE(readJson(bytes("[1}"))->skip());
  EXPECT_FALSE(readJson(bytes("]"))->skip());
  EXPECT_FALSE(readJson(bytes("[1"))->skip());
}

TEST(JsonReader, RefusesNestingBeyondTheBoundAtOnce) {
  const auto skipped = readJson(bytes(std::string(1'000'000, '[')))->skip();
  ASSERT_FALSE(skipped);
  EXPECT_THAT(skipped.error().message, HasSubstr("nested deeper than 64 levels"));
}

TEST(UbjsonReader, ReadsTypedAndUntypedArrays) {
  const auto typed =
      readUbjson(bytes(binary("[$l#U\x02\x00\x00\x00\x05\xFF\xFF\xFF\xFF")))->integers();
  ASSERT_TRUE(typed) << typed.error().message;
  EXPECT_THAT(*typed, ElementsAre(5, -1));
  const auto counted = readUbjson(bytes(binary("[#i\x03i\xFFTF")))->integers();
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_THAT(*counted, ElementsAre(-1, 1, 0));
  const auto open = readUbjson(bytes(binary("[d\x3F\x80\x00\x00U\x02]")))->floats();
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_THAT(*open, ElementsAre(1.0F, 2.0F));
}

TEST(UbjsonReader, SkipsWhatTheCallerDoesNotWant) {
  const std::string text = binary(
      "{U\x01"
      "a{U\x01"
      "b[$D#U\x01"
      "12345678U\x01"
      "c[#U\x02SU\x01xZ}U\x01"
      "di\x07}");
  const auto reader = readUbjson(bytes(text));
  std::int32_t d = 0;
  const auto read = reader->object([&](std::string_view key) -> Result<void> {
    if (key != "d") return reader->skip();
    d = reader->integer().value_or(-1);
    return {};
  });
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(d, 7);
}

TEST(UbjsonReader, RefusesCountsThatTheFileCannotHold) {
  EXPECT_FALSE(readUbjson(bytes(binary("[$d#L\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF")))->floats());
  EXPECT_FALSE(readUbjson(bytes(binary("[$d#L\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")))->floats());
  EXPECT_FALSE(readUbjson(bytes(binary("[#L\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFZ")))->skip());
  EXPECT_FALSE(readUbjson(bytes(binary("[$Z#L\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF")))->skip());
  EXPECT_FALSE(readUbjson(bytes(binary("SL\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                                       "a")))
                   ->text());
}

TEST(UbjsonReader, RefusesNestingBeyondTheBoundAtOnce) {
  const auto skipped = readUbjson(bytes(std::string(1'000'000, '[')))->skip();
  ASSERT_FALSE(skipped);
  EXPECT_THAT(skipped.error().message, HasSubstr("nested deeper than 64 levels"));
}

TEST(UbjsonReader, RefusesAFileThatEnds) {
  EXPECT_FALSE(readUbjson({})->skip());
  EXPECT_FALSE(readUbjson(bytes("l"))->integer());
  EXPECT_FALSE(readUbjson(bytes("{"))->skip());
}

}  // namespace
}  // namespace corbel::inference
