#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/decode.h"
#include "json/test_types.h"

namespace corbel::json {
namespace {

using namespace test;
using testing::ElementsAre;

std::vector<FieldError> problems(std::string_view query) {
  return decodeQuery<ListPeople>(query).error().fields;
}

TEST(DecodeQuery, ReadsScalarsAndKeepsDefaults) {
  const auto list = decodeQuery<ListPeople>("cursor=a%2Fb+c&status=delete&archived=true&");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->limit, 50);
  EXPECT_EQ(list->cursor, "a/b c");
  EXPECT_EQ(list->status, Status::delete_);
  EXPECT_TRUE(list->archived);
  EXPECT_TRUE(decodeQuery<ListPeople>(""));
}

TEST(DecodeQuery, ReportsEveryProblemWithTheSameWordsAsJson) {
  EXPECT_THAT(
      problems("limit=0&status=gone&archived=yes"),
      ElementsAre(FieldError{"?limit", "must be a whole number from 1 to 200, got 0"},
                  FieldError{"?status", R"(must be one of ready, failed, delete, got "gone")"},
                  FieldError{"?archived", R"(must be true or false, got "yes")"}));
  EXPECT_EQ(decodeQuery<ListPeople>("limit=0").error().message,
            "?limit: must be a whole number from 1 to 200, got 0");
}

TEST(DecodeQuery, RefusesUnknownAndRepeatedParameters) {
  EXPECT_THAT(
      problems("page=2"),
      ElementsAre(FieldError{"?page", "is unknown; allowed are limit, cursor, status, archived"}));
  EXPECT_THAT(problems("limit=1&limit=2"), ElementsAre(FieldError{"?limit", "is given twice"}));
  EXPECT_THAT(problems("limit=1&%6Cimit=2"), ElementsAre(FieldError{"?limit", "is given twice"}));
}

TEST(DecodeQuery, RefusesNumbersThatJsonWouldRefuse) {
  for (const std::string text : {"", "0x10", "1.5", "+1", "%201", "1e1", "99999999999999999999"}) {
    EXPECT_EQ(problems("limit=" + text).size(), 1) << text;
  }
}

TEST(DecodeQuery, RefusesBrokenPercentEncoding) {
  EXPECT_THAT(problems("cursor=%f"),
              ElementsAre(FieldError{"?cursor", "is not valid percent-encoded UTF-8"}));
  EXPECT_EQ(problems("cursor=%ff").size(), 1);
  EXPECT_EQ(problems("%zz=1").size(), 1);
}

TEST(DecodeQuery, NamesWhatIsMissing) {
  EXPECT_THAT(decodeQuery<Person>("name=Ada").error().fields,
              ElementsAre(FieldError{"?age", "is required"}));
}

TEST(DecodeQuery, BlamesTheServerForTypesAQueryCannotCarry) {
  EXPECT_EQ(decodeQuery<Tree>("leaf=1").error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace corbel::json
