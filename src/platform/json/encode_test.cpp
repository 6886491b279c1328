#include "json/encode.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "json/test_types.h"
#include "json/values.h"

namespace corbel::json {
namespace {

using namespace test;

struct Shown {
  std::string_view word;
  std::uint64_t large = 0;
};
BOOST_DESCRIBE_STRUCT(Shown, (), (word, large))

TEST(Encode, LeavesOutEmptyMembersUnlessTheyAreNullable) {
  EXPECT_EQ(encode(Person{.name = "Ada", .age = 36, .height = {}}), R"({"name":"Ada","age":36})");
  EXPECT_EQ(encode(Page<int>{.items = {1, 2}, .nextCursor = {}}),
            R"({"items":[1,2],"nextCursor":null})");
  EXPECT_EQ(encode(Page<int>{.items = {}, .nextCursor = "c"}), R"({"items":[],"nextCursor":"c"})");
}

TEST(Encode, WritesPatchesAsMergePatches) {
  EXPECT_EQ(encode(PersonPatch{.name = Patch<std::string>::null(), .age = {}}), R"({"name":null})");
  EXPECT_EQ(encode(PersonPatch{.name = {}, .age = 3}), R"({"age":3})");
}

TEST(Encode, WritesNumbersAsShortAsTheyReadBack) {
  EXPECT_EQ(encode(0.1), "0.1");
  EXPECT_EQ(encode(0.1F), "0.1");
  EXPECT_EQ(encode(1e300), "1e+300");
  EXPECT_EQ(encode(5e-324), "5e-324");
  EXPECT_EQ(encode(100.0), "100");
  EXPECT_EQ(encode(std::vector<std::int64_t>{INT64_MIN, INT64_MAX}),
            "[-9223372036854775808,9223372036854775807]");
}

TEST(Encode, WritesNullForWhatIsNoNumber) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(encode(std::vector<double>{NAN, infinity, -infinity}), "[null,null,null]");
  EXPECT_EQ(encode(std::numeric_limits<float>::quiet_NaN()), "null");
}

TEST(Encode, WritesUnsignedNumbersOfFullWidthAndViews) {
  EXPECT_EQ(encode(Shown{.word = "w", .large = UINT64_MAX}),
            R"({"word":"w","large":18446744073709551615})");
}

TEST(Encode, WritesEnumeratorsByNameAndUnknownOnesAsNull) {
  EXPECT_EQ(encode(Status::delete_), R"("delete")");
  EXPECT_EQ(encode(static_cast<Status>(99)), "null");
}

TEST(Encode, WritesTimesAsRfc3339) {
  EXPECT_EQ(encode(Timestamp(std::chrono::milliseconds(1769860800123))),
            R"("2026-01-31T12:00:00.123Z")");
}

TEST(Encode, WritesFreeFormJsonAsItCame) {
  EXPECT_EQ(encode(std::vector<Document>{{R"({"a" : 1e2})"}}), R"([{"a" : 1e2}])");
}

TEST(Encode, AppendsToWhatIsThere) {
  std::string out = "data: ";
  encode(std::vector<int>{1}, out);
  EXPECT_EQ(out, "data: [1]");
}

TEST(Writer, PutsCommasBetweenValuesOnly) {
  std::string out;
  Writer writer(out);
  writer.beginObject();
  writer.field("label", "benign");
  writer.key("scores");
  writer.beginArray();
  writer.value(0.5);
  writer.beginArray();
  writer.endArray();
  writer.value(true);
  writer.null();
  writer.endArray();
  writer.key("person");
  writer.value(Person{.name = "Ada", .age = 1, .height = {}});
  writer.field("n", 3U);
  writer.field("status", Status::ready);
  writer.endObject();
  EXPECT_EQ(
      out,
      R"({"label":"benign","scores":[0.5,[],true,null],"person":{"name":"Ada","age":1},"n":3,"status":"ready"})");
}

TEST(Writer, EscapesNamesAndText) {
  std::string out;
  Writer writer(out);
  writer.beginObject();
  writer.field("a\"b", "c\\\n\xff");
  writer.endObject();
  EXPECT_EQ(out, "{\"a\\\"b\":\"c\\\\\\n\uFFFD\"}");
}

}  // namespace
}  // namespace corbel::json
