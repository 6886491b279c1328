#include "json/place.h"

#include <gtest/gtest.h>

#include <string>

namespace corbel::json {
namespace {

// Of the first '#'.
std::string placeOf(const std::string& json) { return pointerAt(json, json.find('#')); }

TEST(Place, IsTheValueThatTheByteStandsIn) {
  EXPECT_EQ(placeOf(R"({"input":{"size":#}})"), "/input/size");
  EXPECT_EQ(placeOf(R"({"a":[1,{"b":2},[0,#]]})"), "/a/2/1");
  EXPECT_EQ(placeOf(R"({"a":1,"b":"x,y:[#"})"), "/b");
  EXPECT_EQ(placeOf("#"), "");
}

TEST(Place, IsTheContainerWhereANameIsExpected) {
  EXPECT_EQ(placeOf(R"({"a":{"b":1,#}})"), "/a");
  EXPECT_EQ(placeOf(R"({"a":{"b" #}})"), "/a");
}

TEST(Place, ReadsNamesAsTheyAreMeant) {
  EXPECT_EQ(placeOf(R"({"a\"{[,:b\\":#})"), "/a\"{[,:b\\");
  EXPECT_EQ(placeOf(R"({"a/b~\u00e4":#})"), "/a~1b~0ä");
}

TEST(Place, OfTextThatIsNoJsonIsTheLastContainerThatFits) {
  EXPECT_EQ(placeOf("]}],:#"), "");
  EXPECT_EQ(placeOf(R"({"open":"text)"), "/open");
  EXPECT_EQ(placeOf(std::string(100'000, '[') + "#").size(), 2 * 64);
  EXPECT_EQ(placeOf("{\"a\":{\"" + std::string(100'000, 'x') + "\":#"), "/a");
}

}  // namespace
}  // namespace corbel::json
