#include "json/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "json/component_name.h"
#include "json/decode.h"
#include "json/rule.h"
#include "json/test_types.h"
#include "json/values.h"

namespace corbel::json {
namespace elsewhere {
struct Person {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(Person, (), (number))
}  // namespace elsewhere

namespace {

using namespace test;
using testing::HasSubstr;

template <class T>
std::string schema() {
  SchemaRegistry registry;
  return registry.add<T>();
}

template <class T>
std::string components() {
  SchemaRegistry registry;
  registry.add<T>();
  return registry.components();
}

struct Formats {
  std::string id;
  std::string name;
  std::optional<Status> status;
  std::optional<Person> person;
  Document anything;
  static constexpr auto rules() {
    return std::array{rule<&Formats::id>({.format = Format::uuid}),
                      rule<&Formats::name>({.format = Format::name}),
                      rule<&Formats::status>({.nullable = true})};
  }
};
BOOST_DESCRIBE_STRUCT(Formats, (), (id, name, status, person, anything))

TEST(Schema, RefersToDescribedTypesByName) {
  EXPECT_EQ(schema<Person>(), R"({"$ref":"#/components/schemas/Person"})");
  EXPECT_EQ(schema<Status>(), R"({"$ref":"#/components/schemas/Status"})");
  EXPECT_EQ(schema<std::vector<Person>>(),
            R"({"type":"array","items":{"$ref":"#/components/schemas/Person"},"maxItems":10000})");
}

TEST(Schema, TellsWhatRulesSay) {
  EXPECT_EQ(components<Person>(),
            R"({"Person":{"type":"object","properties":{)"
            R"("name":{"type":"string","minLength":1,"maxLength":10,"examples":["Ada"]},)"
            R"("age":{"type":"integer","minimum":0,"maximum":130,"description":"In years."},)"
            R"("height":{"type":"number","minimum":0,"maximum":3}},)"
            R"("required":["name","age"],"additionalProperties":false}})");
}

TEST(Schema, TellsFormatsAndWhatMayBeNull) {
  const std::string all = components<Formats>();
  EXPECT_THAT(all, HasSubstr(R"("id":{"type":"string","format":"uuid"})"));
  EXPECT_THAT(
      all, HasSubstr(R"("name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"})"));
  EXPECT_THAT(
      all,
      HasSubstr(R"("status":{"anyOf":[{"$ref":"#/components/schemas/Status"},{"type":"null"}]})"));
  EXPECT_THAT(all, HasSubstr(R"("person":{"$ref":"#/components/schemas/Person"})"));
  EXPECT_THAT(all, HasSubstr(R"("anything":{})"));
  EXPECT_THAT(all, HasSubstr(R"("Status":{"type":"string","enum":["ready","failed","delete"]})"));
  EXPECT_THAT(
      components<Page<int>>(),
      HasSubstr(R"("nextCursor":{"type":["string","null"],"description":"null at the end."})"));
  EXPECT_THAT(components<PersonPatch>(), HasSubstr(R"("name":{"type":["string","null"]})"));
}

TEST(Schema, TellsDefaults) {
  EXPECT_THAT(components<Feature>(),
              HasSubstr(R"("minimum":0,"description":"How much it counts.","default":1)"));
}

TEST(Schema, DescribesTypesThatContainThemselves) {
  EXPECT_THAT(
      components<Tree>(),
      HasSubstr(R"("children":{"type":"array","items":{"$ref":"#/components/schemas/Tree"})"));
}

TEST(Schema, NamesPagesAfterWhatIsOnThem) {
  EXPECT_EQ(schema<Page<Person>>(), R"({"$ref":"#/components/schemas/PersonPage"})");
}

TEST(Schema, TellsTypesOfTheSameNameApart) {
  SchemaRegistry registry;
  EXPECT_EQ(registry.add<Person>(), R"({"$ref":"#/components/schemas/Person"})");
  EXPECT_EQ(registry.add<elsewhere::Person>(),
            R"({"$ref":"#/components/schemas/ElsewherePerson"})");
  EXPECT_EQ(registry.add<Person>(), R"({"$ref":"#/components/schemas/Person"})");
}

TEST(Schema, IsValidJson) {
  EXPECT_TRUE(decode<Document>(components<Everything>()));
  EXPECT_TRUE(decode<Document>(components<Formats>()));
  EXPECT_EQ(SchemaRegistry().components(), "{}");
}

TEST(Schema, ListsTheParametersOfAQuery) {
  const auto parameters = queryParameters<ListPeople>();
  ASSERT_EQ(parameters.size(), 4);
  EXPECT_EQ(parameters[0].name, "limit");
  EXPECT_EQ(parameters[0].doc, "Items on a page.");
  EXPECT_FALSE(parameters[0].required);
  EXPECT_EQ(parameters[0].schema, R"({"type":"integer","minimum":1,"maximum":200,"default":50})");
  EXPECT_EQ(parameters[2].schema, R"({"type":"string","enum":["ready","failed","delete"]})");
}

TEST(Schema, MakesExamplesThatDecode) {
  EXPECT_EQ(exampleOf<Person>(), R"({"name":"Ada","age":0})");
  EXPECT_TRUE(decode<Everything>(exampleOf<Everything>()));
  EXPECT_TRUE(decode<Tree>(exampleOf<Tree>()));
  EXPECT_TRUE(decode<Formats>(exampleOf<Formats>()));
}

TEST(ComponentName, DropsNamespacesAndTurnsArgumentsToTheFront) {
  EXPECT_EQ(componentName("corbel::api::ModelView"), "ModelView");
  EXPECT_EQ(componentName("corbel::api::Page<corbel::api::ModelView>"), "ModelViewPage");
  EXPECT_EQ(componentName("a::Pair<b::X, c::Page<int>>"), "XIntPagePair");
  EXPECT_EQ(qualifiedComponentName("corbel::api::Page<b::X>"), "ApiXPage");
  EXPECT_EQ(componentName("corbel::(anonymous namespace)::Local"), "Local");
}

}  // namespace
}  // namespace corbel::json
