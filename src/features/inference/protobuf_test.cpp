#include "protobuf.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace corbel::inference::protobuf {
namespace {

bool reads(const std::string& message) {
  return forEachField(std::as_bytes(std::span(message)),
                      [](const Field&) { return Result<void>(); })
      .has_value();
}

Field only(std::string_view message) {
  Field result;
  EXPECT_TRUE(forEachField(std::as_bytes(std::span(message)), [&](const Field& field) {
    result = field;
    return Result<void>();
  }));
  return result;
}

TEST(Protobuf, ReadsEveryWireType) {
  EXPECT_EQ(only("\x08\xAC\x02").value, 300);
  EXPECT_EQ(only("\x0D\x01\x02\x03\x04").value, 0x04030201);
  EXPECT_EQ(only("\x09\x01\x02\x03\x04\x05\x06\x07\x08").value, 0x0807060504030201);
  EXPECT_EQ(only("\x12\x02hi").text(), "hi");
}

TEST(Protobuf, RefusesALengthBeyondTheEnd) {
  EXPECT_FALSE(reads("\x12\x03hi"));
  EXPECT_FALSE(reads("\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01hi"));
}

TEST(Protobuf, RefusesVarintsOfMoreThan64Bits) {
  EXPECT_TRUE(reads("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"));
  EXPECT_FALSE(reads("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"));
  EXPECT_FALSE(reads("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"));
  EXPECT_FALSE(reads("\x08\xFF"));
}

TEST(Protobuf, RefusesGroupsAndFieldZero) {
  EXPECT_FALSE(reads("\x0B"));
  EXPECT_FALSE(reads("\x0C"));
  EXPECT_FALSE(reads("\x0E"));
  EXPECT_FALSE(reads(std::string("\x00\x01", 2)));
}

TEST(Protobuf, ReadsRepeatedNumbersPackedAndNot) {
  std::vector<std::uint64_t> values;
  const auto add = [&](std::uint64_t value) { values.push_back(value); };
  EXPECT_TRUE(forEachVarint(only("\x12\x03\x01\xAC\x02"), add));
  EXPECT_TRUE(forEachVarint(only("\x10\x07"), add));
  EXPECT_EQ(values, (std::vector<std::uint64_t>{1, 300, 7}));
}

TEST(Protobuf, RefusesPackedNumbersCutInTheMiddle) {
  EXPECT_FALSE(forEachFixed32(only("\x12\x03\x01\x02\x03"), [](std::uint32_t) {}));
  EXPECT_FALSE(forEachVarint(only("\x12\x01\xFF"), [](std::uint64_t) {}));
}

}  // namespace
}  // namespace corbel::inference::protobuf
