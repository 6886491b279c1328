#include "json/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "json/encode.h"
#include "json/rule.h"
#include "json/test_types.h"
#include "json/values.h"

namespace corbel::json {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class T>
std::vector<FieldError> problems(std::string_view json, Policy policy = Policy::strict) {
  const auto result = decode<T>(json, policy);
  return result ? std::vector<FieldError>() : result.error().fields;
}

template <class T>
std::string problem(std::string_view json) {
  const auto all = problems<T>(json);
  return all.size() == 1 ? all[0].pointer + ": " + all[0].message
                         : std::to_string(all.size()) + " problems";
}

struct Limits {
  std::int8_t tiny = 0;
  std::uint8_t byte = 0;
  std::uint64_t large = 0;
  static constexpr auto rules() {
    return std::array{rule<&Limits::tiny>({.optional = true}),
                      rule<&Limits::byte>({.optional = true}),
                      rule<&Limits::large>({.optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(Limits, (), (tiny, byte, large))

struct Named {
  std::string id;
  std::string name;
  std::vector<std::string> tags;
  static constexpr auto rules() {
    return std::array{
        rule<&Named::id>({.format = Format::uuid, .optional = true}),
        rule<&Named::name>({.format = Format::name, .optional = true}),
        rule<&Named::tags>({.maxLength = 4, .minItems = 1, .maxItems = 2, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(Named, (), (id, name, tags))

TEST(Decode, ReadsEveryKindOfMember) {
  const std::string_view json =
      R"({"flag":true,"whole":-9223372036854775808,"small":0.5,"number":1e-3,
    "text":"a\nb\u00e9\ud83d\ude00","time":"2026-01-31T12:00:00Z","status":"delete","feature":{"name":"x","weight":2},
    "features":[{"name":"y"}],"counts":{"a":1,"b":2},"maybe":7,"raw":[ 1, {"a":null} ],"document":{"b":[]}})";
  const auto value = decode<Everything>(json);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_TRUE(value->flag);
  EXPECT_EQ(value->whole, INT64_MIN);
  EXPECT_EQ(value->small, 0.5F);
  EXPECT_EQ(value->number, 1e-3);
  EXPECT_EQ(value->text, "a\nb\u00e9\U0001F600");
  EXPECT_EQ(value->time, Timestamp(std::chrono::milliseconds(1769860800000)));
  EXPECT_EQ(value->status, Status::delete_);
  EXPECT_EQ(value->feature.weight, 2);
  ASSERT_EQ(value->features.size(), 1);
  EXPECT_EQ(value->features[0].weight, 1);
  EXPECT_EQ(value->counts, (std::map<std::string, int>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(value->maybe, 7);
  EXPECT_EQ(value->raw.text, R"([ 1, {"a":null} ])");
  EXPECT_EQ(value->document.text, R"({"b":[]})");
}

TEST(Decode, ReadsListsAndScalarsAtTheRoot) {
  EXPECT_THAT(decode<std::vector<int>>(" [1, 2]\n").value(), ElementsAre(1, 2));
  EXPECT_EQ(decode<int>("12").value(), 12);
  EXPECT_EQ(decode<std::string>("\"a\"").value(), "a");
}

TEST(Decode, ReadsTypesThatContainThemselves) {
  const auto tree = decode<Tree>(R"({"leaf":1,"children":[{"leaf":2,"children":[{"leaf":3}]}]})");
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(tree->children[0].children[0].leaf, 3);
}

TEST(Decode, PointsRawIntoTheText) {
  const std::string json = R"({"flag": [1]})";
  const auto raw = decode<std::map<std::string, Raw>>(json);
  EXPECT_EQ(raw->at("flag").text.data(), json.data() + 9);
}

TEST(Decode, NamesTheFieldWhatIsAllowedAndWhatWasThere) {
  EXPECT_EQ(problem<Person>(R"({"name":"Ada","age":"old"})"),
            R"(/age: must be a whole number from 0 to 130, got "old")");
  EXPECT_EQ(problem<Person>(R"({"name":"Ada","age":131})"),
            "/age: must be a whole number from 0 to 130, got 131");
  EXPECT_EQ(problem<Person>(R"({"name":"Ada","age":1,"height":{}})"),
            "/height: must be a number from 0 to 3, got an object");
  EXPECT_EQ(problem<Person>(R"({"name":"","age":1})"),
            "/name: must be text of 1 to 10 characters, got 0 characters");
  EXPECT_EQ(problem<Person>(R"({"name":null,"age":1})"),
            "/name: must be text of 1 to 10 characters, got null");
  EXPECT_EQ(problem<Person>("[]"), ": must be an object, got a list");
}

TEST(Decode, ReportsEveryProblemOfABody) {
  EXPECT_THAT(
      problems<Person>(R"({"height":true,"name":5,"extra":1,"name":"x"})"),
      ElementsAre(FieldError{"/height", "must be a number from 0 to 3, got true"},
                  FieldError{"/name", "must be text of 1 to 10 characters, got 5"},
                  FieldError{"/extra", "is unknown; allowed are name, age, height"},
                  FieldError{"/name", "is given twice"}, FieldError{"/age", "is required"}));
}

TEST(Decode, SummarisesTheProblemsInOneLine) {
  const auto result = decode<Person>("{}");
  EXPECT_EQ(result.error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(result.error().message, "/name: is required (and 1 other problem)");
}

TEST(Decode, ListsNoMoreProblemsThanTheLimit) {
  std::string json = "[";
  for (std::size_t i = 0; i < limits::kFieldErrors + 50; ++i) json += "true,";
  const auto result = decode<std::vector<int>>(json + "1]");
  EXPECT_EQ(result.error().fields.size(), limits::kFieldErrors);
  EXPECT_THAT(result.error().message, HasSubstr("99 or more other problems"));
}

TEST(Decode, EscapesPointersAsRfc6901Says) {
  EXPECT_EQ((problem<std::map<std::string, std::vector<int>>>(R"({"a/b~c":[1,true]})")),
            "/a~1b~0c/1: must be a whole number from -2147483648 to 2147483647, got true");
}

TEST(Decode, CutsAndEscapesValuesInMessages) {
  const std::string message =
      problem<Person>(R"({"name":"Ada","age":"\u0007)" + std::string(1000, 'x') + "\"}");
  EXPECT_LT(message.size(), 200);
  EXPECT_THAT(message, HasSubstr(R"(got "\u0007xxx)"));
  EXPECT_THAT(message, HasSubstr("xxx…\""));
}

TEST(Decode, RefusesIntegersWithFractionExponentOrOutOfRange) {
  EXPECT_EQ(problem<Limits>(R"({"tiny":1.0})"),
            "/tiny: must be a whole number from -128 to 127, got 1.0");
  EXPECT_EQ(problem<Limits>(R"({"tiny":1e1})"),
            "/tiny: must be a whole number from -128 to 127, got 1e1");
  EXPECT_EQ(problem<Limits>(R"({"tiny":-129})"),
            "/tiny: must be a whole number from -128 to 127, got -129");
  EXPECT_EQ(problem<Limits>(R"({"byte":256})"),
            "/byte: must be a whole number from 0 to 255, got 256");
  EXPECT_EQ(problem<Limits>(R"({"large":-1})"),
            "/large: must be a whole number from 0 to 9223372036854775807, got -1");
  EXPECT_EQ(problem<std::int64_t>("9223372036854775808"),
            ": must be a whole number, got 9223372036854775808");
  EXPECT_EQ(decode<Limits>(R"({"tiny":-128,"byte":255,"large":9223372036854775807})")->large,
            INT64_MAX);
}

TEST(Decode, RefusesNumbersBeyondTheirType) {
  EXPECT_EQ(problem<double>("1e400"), ": must be a number, got 1e400, which is too large");
  EXPECT_EQ(problem<float>("-1e39"), ": must be a number, got -1e39, which is too large");
  EXPECT_EQ(decode<double>("1e-400").value(), 0);
}

TEST(Decode, TakesNullAsAbsentWhereAbsenceIsAllowed) {
  const auto person = decode<Person>(R"({"name":"Ada","age":1,"height":null})");
  EXPECT_FALSE(person->height);
  EXPECT_EQ(decode<Feature>(R"({"name":"x","weight":null})")->weight, 1);
}

TEST(Decode, TellsAbsentNullAndValueOfAPatchApart) {
  const auto patch = decode<PersonPatch>(R"({"name":null})");
  EXPECT_TRUE(patch->name.clears());
  EXPECT_TRUE(patch->age.absent());
  EXPECT_EQ(*decode<PersonPatch>(R"({"age":5})")->age.value(), 5);
  EXPECT_THAT(problem<PersonPatch>(R"({"age":"x"})"), HasSubstr("got \"x\""));
}

TEST(Decode, AppliesPatches) {
  std::optional<int> kept = 1;
  Patch<int>().applyTo(kept);
  EXPECT_EQ(kept, 1);
  Patch<int>(2).applyTo(kept);
  EXPECT_EQ(kept, 2);
  Patch<int>::null().applyTo(kept);
  EXPECT_EQ(kept, std::nullopt);
}

TEST(Decode, ChecksNamedFormats) {
  EXPECT_THAT(problem<Named>(R"({"id":"0198A3B2-7c1e-7d7a-9a51-2f3c4d5e6f70"})"),
              HasSubstr("/id: must be a UUID"));
  EXPECT_TRUE(decode<Named>(R"({"id":"0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f70"})"));
  EXPECT_THAT(problem<Named>(R"({"name":"../x"})"), HasSubstr("/name: must be a name of 1 to 128"));
  EXPECT_TRUE(decode<Named>(R"({"name":"breast-cancer_2.0"})"));
}

TEST(Decode, AppliesRulesOfTextToEachItemAndOfCountToTheList) {
  EXPECT_THAT(problem<Named>(R"({"tags":["ok","long tag"]})"),
              HasSubstr("/tags/1: must be text of at most 4"));
  EXPECT_EQ(problem<Named>(R"({"tags":[]})"), "/tags: must be a list of 1 to 2 items, got 0");
  EXPECT_EQ(problem<Named>(R"({"tags":["a","b","c"]})"),
            "/tags: must be a list of 1 to 2 items, got 3");
}

TEST(Decode, CountsCharactersNotBytes) {
  EXPECT_TRUE(decode<Named>(R"({"tags":["äöü€"]})"));
  EXPECT_THAT(problem<Named>(R"({"tags":["äöü€x"]})"), HasSubstr("got 5 characters"));
}

TEST(Decode, RefusesUnknownEnumerators) {
  EXPECT_EQ(problem<Status>(R"("gone")"), R"(: must be one of ready, failed, delete, got "gone")");
  EXPECT_EQ(problem<Status>("1"), ": must be one of ready, failed, delete, got 1");
}

TEST(Decode, RefusesTimesThatAreNotRfc3339) {
  EXPECT_THAT(problem<Timestamp>("\"yesterday\""),
              HasSubstr("must be a time such as \"2026-01-31T12:00:00Z\""));
}

TEST(Decode, RefusesDuplicateNamesInMapsAndDocuments) {
  EXPECT_EQ((problem<std::map<std::string, int>>(R"({"a":1,"\u0061":2})")), "/a: is given twice");
  EXPECT_EQ(problem<Document>(R"({"x":[{"b":1,"a":1,"\u0062":2}]})"),
            R"(: gives the name "b" twice)");
  EXPECT_TRUE(decode<Document>(R"([{"a":1},{"a":{"a":1}}])"));
}

TEST(Decode, PassesOverUnknownFieldsWhenLenient) {
  const auto person =
      decode<Person>(R"({"name":"Ada","extra":{"a":[1,2]},"age":3})", Policy::lenient);
  ASSERT_TRUE(person) << person.error().message;
  EXPECT_EQ(person->age, 3);
  EXPECT_THAT(problems<Person>(R"({"name":"Ada","name":"Bob","age":3})", Policy::lenient),
              ElementsAre(FieldError{"/name", "is given twice"}));
  EXPECT_EQ(problems<Person>(R"({"name":"Ada","extra":[01],"age":3})", Policy::lenient)[0].pointer,
            "/extra/0");
}

TEST(Decode, ReadsInheritedMembersWithTheirRules) {
  EXPECT_EQ(decode<ListPeople>(R"({"limit":7,"status":"failed"})")->limit, 7);
  EXPECT_EQ(problem<ListPeople>(R"({"limit":0})"),
            "/limit: must be a whole number from 1 to 200, got 0");
}

TEST(Decode, ReadsBackWhatWasWritten) {
  Everything value;
  value.number = 0.1;
  value.text = "\"\\\n\u2028";
  value.features = {{"a", 0.25}};
  value.counts = {{"k\"", 3}};
  value.maybe = -1;
  const std::string json = encode(value);
  const auto back = decode<Everything>(json);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(encode(*back), json);
}

}  // namespace
}  // namespace corbel::json
