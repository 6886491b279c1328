#include "models/declaration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corbel::models {
namespace {

using inference::FieldKind;
using ::testing::ElementsAre;

Model declaring(std::string inputSchema, std::string outputSchema = {},
                std::string configuration = "{}") {
  Model model;
  model.inputSchema = std::move(inputSchema);
  model.outputSchema = std::move(outputSchema);
  model.configuration = std::move(configuration);
  return model;
}

Model configured(std::string configuration) { return declaring({}, {}, std::move(configuration)); }
Model withImage(const std::string& image) {
  return configured(R"({"preprocessing":{"image":)" + image + "}}");
}

Declaration declarationOf(const Model& model) {
  auto declaration = parseDeclaration(model);
  EXPECT_TRUE(declaration) << declaration.error().message;
  return declaration ? *std::move(declaration) : Declaration();
}

std::string pointerOf(const Model& model) {
  const auto declaration = parseDeclaration(model);
  if (declaration) return "accepted";
  EXPECT_EQ(declaration.error().code, ErrorCode::unprocessable);
  return declaration.error().fields.empty() ? "no pointer" : declaration.error().fields[0].pointer;
}

TEST(Declaration, OfNothingIsEmpty) {
  const Declaration declaration = declarationOf(declaring({}));
  EXPECT_TRUE(declaration.input.fields.empty());
  EXPECT_FALSE(declaration.input.image);
  EXPECT_TRUE(declaration.labels.empty());
  EXPECT_EQ(declaration.cacheTtl.count(), 0);
}

TEST(Declaration, ReadsFieldsInTheirOrder) {
  const auto fields = declarationOf(declaring(R"({"type":"object","required":["age"],"properties":{
    "age":{"type":"integer","minimum":0,"maximum":130,"description":"years"},
    "city":{"type":"string","enum":["Paris","Rome"]},
    "note":{"type":"string"},
    "member":{"type":"boolean"},
    "income":{"type":["number","null"]}}})"))
                          .input.fields;
  ASSERT_EQ(fields.size(), 5U);
  EXPECT_EQ(fields[0].name, "age");
  EXPECT_EQ(fields[0].kind, FieldKind::integer);
  EXPECT_TRUE(fields[0].required);
  EXPECT_EQ(fields[0].minimum, 0);
  EXPECT_EQ(fields[0].maximum, 130);
  EXPECT_EQ(fields[1].kind, FieldKind::category);
  EXPECT_THAT(fields[1].categories, ElementsAre("Paris", "Rome"));
  EXPECT_EQ(fields[2].kind, FieldKind::text);
  EXPECT_EQ(fields[3].kind, FieldKind::boolean);
  EXPECT_EQ(fields[4].kind, FieldKind::number);
  EXPECT_TRUE(fields[4].nullable);
  EXPECT_FALSE(fields[4].required);
}

TEST(Declaration, NamesWhatIsWrongWithAField) {
  const auto pointer = [](const std::string& field) {
    return pointerOf(declaring(R"({"properties":{"a":)" + field + "}}"));
  };
  EXPECT_EQ(pointer("5"), "/inputSchema/properties/a");
  EXPECT_EQ(pointer(R"({"type":"date"})"), "/inputSchema/properties/a/type");
  EXPECT_EQ(pointer(R"({"type":["number","date"]})"), "/inputSchema/properties/a/type");
  EXPECT_EQ(pointer(R"({"type":5})"), "/inputSchema/properties/a/type");
  EXPECT_EQ(pointer(R"({"minimum":"0"})"), "/inputSchema/properties/a/minimum");
  EXPECT_EQ(pointer(R"({"maximum":null})"), "/inputSchema/properties/a/maximum");
  EXPECT_EQ(pointer(R"({"minimum":2,"maximum":1})"), "/inputSchema/properties/a/minimum");
  EXPECT_EQ(pointer(R"({"type":"string","enum":[1]})"), "/inputSchema/properties/a/enum");
  EXPECT_EQ(pointer(R"({"type":"number","enum":["x"]})"), "/inputSchema/properties/a/enum");
  EXPECT_EQ(pointer(R"({"pattern":"x"})"), "/inputSchema/properties/a/pattern");
}

TEST(Declaration, EscapesNamesInPointers) {
  EXPECT_EQ(pointerOf(declaring(R"({"properties":{"a/b~c":{"type":"date"}}})")),
            "/inputSchema/properties/a~1b~0c/type");
}

TEST(Declaration, NamesWhatIsWrongWithTheSchema) {
  EXPECT_EQ(pointerOf(declaring("[]")), "/inputSchema");
  EXPECT_EQ(pointerOf(declaring(R"({"type":"array"})")), "/inputSchema/type");
  EXPECT_EQ(pointerOf(declaring(R"({"properties":[]})")), "/inputSchema/properties");
  EXPECT_EQ(pointerOf(declaring(R"({"required":"a"})")), "/inputSchema/required");
  EXPECT_EQ(pointerOf(declaring(R"({"required":["a"],"properties":{}})")), "/inputSchema/required");
}

TEST(Declaration, ReadsLabelsOfTextsAndNumbers) {
  EXPECT_THAT(declarationOf(declaring({}, R"({"type":"string","enum":["no",7,true]})")).labels,
              ElementsAre(R"("no")", "7", "true"));
  EXPECT_EQ(pointerOf(declaring({}, R"({"enum":"no"})")), "/outputSchema/enum");
  EXPECT_EQ(pointerOf(declaring({}, R"({"enum":[{}]})")), "/outputSchema/enum");
  EXPECT_EQ(pointerOf(declaring({}, "5")), "/outputSchema");
}

TEST(Declaration, ReadsImagePreprocessing) {
  const auto image =
      declarationOf(
          withImage(
              R"({"width":8,"height":4,"channels":1,"resize":"nearest","layout":"channelsLast","scale":2,"mean":[0.5],"std":[0.25]})"))
          .input.image;
  ASSERT_TRUE(image);
  EXPECT_EQ(image->width, 8U);
  EXPECT_EQ(image->height, 4U);
  EXPECT_EQ(image->channels, 1U);
  EXPECT_EQ(image->resize, inference::Resize::nearest);
  EXPECT_EQ(image->layout, inference::ImageLayout::channelsLast);
  EXPECT_EQ(image->scale, 2);
  EXPECT_EQ(image->mean[0], 0.5);
  EXPECT_EQ(image->standardDeviation[0], 0.25);
}

TEST(Declaration, NamesWhatIsWrongWithTheImage) {
  const std::string at = "/configuration/preprocessing/image";
  EXPECT_EQ(pointerOf(withImage("5")), at);
  EXPECT_EQ(pointerOf(withImage(R"({"width":8})")), at + "/height");
  EXPECT_EQ(pointerOf(withImage(R"({"width":0,"height":8})")), at + "/width");
  EXPECT_EQ(pointerOf(withImage(R"({"width":8,"height":8,"channels":2})")), at + "/channels");
  EXPECT_EQ(pointerOf(withImage(R"({"width":8,"height":8,"resize":"cubic"})")), at + "/resize");
  EXPECT_EQ(pointerOf(withImage(R"({"width":8,"height":8,"mean":[1]})")), at + "/mean");
  EXPECT_EQ(pointerOf(withImage(R"({"width":8,"height":8,"std":[1,0,1]})")), at + "/std/1");
  EXPECT_EQ(pointerOf(withImage(R"({"width":4096,"height":4096})")), at);
}

TEST(Declaration, ReadsTheLifeOfCachedPredictions) {
  EXPECT_EQ(declarationOf(configured(R"({"cache":{"ttlSeconds":60}})")).cacheTtl,
            std::chrono::seconds(60));
  EXPECT_EQ(pointerOf(configured(R"({"cache":{"ttlSeconds":-1}})")),
            "/configuration/cache/ttlSeconds");
  EXPECT_EQ(pointerOf(configured(R"({"cache":5})")), "/configuration/cache");
}

TEST(Declaration, RefusesTheSameClassTwice) {
  const auto labelled = [](const char* schema) {
    Model model = configured("{}");
    model.outputSchema = schema;
    return model;
  };
  EXPECT_EQ(pointerOf(labelled(R"({"enum":["a","b","a"]})")), "/outputSchema/enum/2");
  EXPECT_EQ(pointerOf(labelled(R"({"enum":[1,"1"]})")), "/outputSchema/enum/1");
  EXPECT_EQ(pointerOf(labelled(R"({"enum":["a","\u0061"]})")), "/outputSchema/enum/1");
  EXPECT_EQ(pointerOf(labelled(R"({"enum":["a","b"]})")), "accepted");
}

TEST(Declaration, ComparesItsClassesWithThoseOfTheFileWhereBothAreKnown) {
  inference::Signature file;
  EXPECT_TRUE(checkLabels({"1", "2"}, file));
  file.classLabels = {"a", "b", "c"};
  EXPECT_TRUE(checkLabels({}, file));
  EXPECT_TRUE(checkLabels({"1", "2", "3"}, file));
  EXPECT_EQ(checkLabels({"1", "2"}, file).error().fields.at(0).pointer, "/outputSchema/enum");
  file.classLabels.clear();
  file.outputs = {{"probabilities", inference::DataType::float32, {-1, 4}}};
  file.probabilities = 0;
  EXPECT_FALSE(checkLabels({"1", "2"}, file));
  file.outputs[0].shape[1] = -1;
  EXPECT_TRUE(checkLabels({"1", "2"}, file));
}

TEST(Declaration, LeavesTheRestOfTheConfigurationToItsOwner) {
  EXPECT_EQ(pointerOf(configured(R"({"team":"blue","tensorflow":{"memoryGrowth":true}})")),
            "accepted");
}

}  // namespace
}  // namespace corbel::models
