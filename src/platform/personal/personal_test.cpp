#include "personal/personal.h"

#include <gtest/gtest.h>

namespace corbel::personal {
namespace {

TEST(Record, IsOneJsonObjectWhateverItsTexts) {
  Record record;
  record.text("name", "line\n\"two\"").number("size", -3).json("input", R"({"a":1})");
  record.time("at", Timestamp(std::chrono::milliseconds(1)));
  EXPECT_EQ(
      record.finish(),
      R"({"name":"line\n\"two\"","size":-3,"input":{"a":1},"at":"1970-01-01T00:00:00.001Z"})");
}

TEST(Record, MayBeEmpty) { EXPECT_EQ(Record().finish(), "{}"); }

}  // namespace
}  // namespace corbel::personal
