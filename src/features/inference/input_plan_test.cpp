#include "inference/input_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/limits.h"

namespace corbel::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Signature aTable(std::int64_t columns, DataType type = DataType::float32) {
  Signature signature;
  signature.engine = "forest";
  signature.inputs = {{"input", type, {-1, columns}}};
  return signature;
}

Signature withInputs(std::vector<TensorSpec> inputs) {
  Signature signature;
  signature.engine = "onnxruntime";
  signature.inputs = std::move(inputs);
  return signature;
}

InputField aField(std::string name, FieldKind kind = FieldKind::number) {
  InputField field;
  field.name = std::move(name);
  field.kind = kind;
  return field;
}

InputField between(std::string name, double minimum, double maximum,
                   FieldKind kind = FieldKind::number) {
  InputField field = aField(std::move(name), kind);
  field.minimum = minimum;
  field.maximum = maximum;
  return field;
}

InputField oneOf(std::string name, std::vector<std::string> categories) {
  InputField field = aField(std::move(name), FieldKind::category);
  field.categories = std::move(categories);
  return field;
}

InputPlan planOf(const Signature& signature, std::vector<InputField> fields = {}) {
  auto plan = InputPlan::make(signature, {std::move(fields), {}});
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? *std::move(plan) : InputPlan();
}

std::string refusal(const Signature& signature, InputDeclaration declaration) {
  const auto plan = InputPlan::make(signature, std::move(declaration));
  EXPECT_FALSE(plan);
  if (plan) return {};
  EXPECT_EQ(plan.error().code, ErrorCode::unprocessable);
  return plan.error().message;
}

template <class Value>
Error problemOf(const InputPlan& plan, Value value, std::size_t field = 0) {
  InputRow row = plan.blankRow();
  const auto outcome = plan.put(row, field, value);
  EXPECT_FALSE(outcome);
  return outcome ? Error() : outcome.error();
}

TEST(InputPlan, TakesTheFieldsThatTheFileNames) {
  Signature signature = aTable(2);
  signature.featureNames = {"size", "age"};
  const InputPlan plan = planOf(signature);
  EXPECT_EQ(plan.form(), InputForm::fields);
  EXPECT_EQ(plan.find("age", 0), 1U);
  EXPECT_EQ(plan.find("size", 0), 0U);
  EXPECT_EQ(plan.find("colour", 0), std::nullopt);
}

TEST(InputPlan, NumbersTheFieldsOfAFileWithoutNames) {
  const InputPlan plan = planOf(aTable(3));
  ASSERT_EQ(plan.fields().size(), 3U);
  EXPECT_EQ(plan.fields()[2].name, "f2");
}

TEST(InputPlan, LetsValuesBeNullOnlyWhereTheModelKnowsMissingOnes) {
  Signature signature = aTable(1);
  EXPECT_FALSE(planOf(signature).fields()[0].nullable);
  signature.acceptsMissing = true;
  EXPECT_TRUE(planOf(signature).fields()[0].nullable);
}

TEST(InputPlan, PutsRowsIntoOneTensor) {
  const InputPlan plan = planOf(aTable(2));
  InputRow row = plan.blankRow();
  ASSERT_TRUE(plan.put(row, 0, 1.5));
  ASSERT_TRUE(plan.put(row, 1, -2.0));
  const std::vector<InputRow> rows = {row, row};
  const auto tensors = plan.tensorsOf(rows);
  ASSERT_EQ(tensors.size(), 1U);
  EXPECT_THAT(tensors[0].shape, ElementsAre(2, 2));
  EXPECT_THAT(std::get<std::vector<float>>(tensors[0].values), ElementsAre(1.5, -2, 1.5, -2));
}

TEST(InputPlan, PutsEachFieldIntoItsOwnTensor) {
  const InputPlan plan = planOf(withInputs({{"age", DataType::int64, {-1, 1}},
                                            {"city", DataType::text, {-1, 1}},
                                            {"member", DataType::boolean, {-1}}}));
  EXPECT_EQ(plan.fields()[0].kind, FieldKind::integer);
  EXPECT_EQ(plan.fields()[1].kind, FieldKind::text);
  EXPECT_EQ(plan.fields()[2].kind, FieldKind::boolean);
  InputRow row = plan.blankRow();
  ASSERT_TRUE(plan.put(row, 0, 41.0));
  ASSERT_TRUE(plan.put(row, 1, std::string_view("Rome")));
  ASSERT_TRUE(plan.put(row, 2, 1.0));
  const auto tensors = plan.tensorsOf(std::span(&row, 1));
  EXPECT_THAT(std::get<std::vector<std::int64_t>>(tensors[0].values), ElementsAre(41));
  EXPECT_THAT(std::get<std::vector<std::string>>(tensors[1].values), ElementsAre("Rome"));
  EXPECT_THAT(std::get<std::vector<Flag>>(tensors[2].values), ElementsAre(Flag::on));
  EXPECT_THAT(tensors[2].shape, ElementsAre(1));
}

TEST(InputPlan, ChecksRangesAndSaysWhatIsAllowed) {
  const InputPlan plan = planOf(aTable(1), {between("age", 0, 130)});
  const Error error = problemOf(plan, 200.0);
  EXPECT_EQ(error.code, ErrorCode::unprocessable);
  EXPECT_EQ(error.message, "must be a number from 0 to 130, got 200");
  InputField atLeast = aField("n", FieldKind::integer);
  atLeast.minimum = 1;
  EXPECT_EQ(problemOf(planOf(aTable(1), {atLeast}), 0.0).message,
            "must be an integer, at least 1, got 0");
  InputField atMost = aField("n");
  atMost.maximum = 2.5;
  EXPECT_EQ(problemOf(planOf(aTable(1), {atMost}), 3.0).message,
            "must be a number, at most 2.5, got 3");
}

TEST(InputPlan, RefusesFractionsOfIntegers) {
  const InputPlan plan = planOf(aTable(1), {aField("rooms", FieldKind::integer)});
  const Error error = problemOf(plan, 2.5);
  EXPECT_EQ(error.code, ErrorCode::invalidArgument);
  EXPECT_EQ(error.message, "must be an integer, got 2.5");
}

TEST(InputPlan, RefusesNumbersThatTheTensorCannotHold) {
  EXPECT_THAT(problemOf(planOf(aTable(1, DataType::int64)), 1e300).message,
              HasSubstr("must fit the model's int64"));
  EXPECT_THAT(problemOf(planOf(aTable(1, DataType::uint8)), 256.0).message, HasSubstr("uint8"));
  EXPECT_THAT(problemOf(planOf(aTable(1, DataType::uint8)), -1.0).message, HasSubstr("uint8"));
  EXPECT_THAT(problemOf(planOf(aTable(1, DataType::int32)), 2147483648.0).message,
              HasSubstr("int32"));
  EXPECT_THAT(problemOf(planOf(aTable(1)), 1e39).message, HasSubstr("float32"));
  EXPECT_THAT(problemOf(planOf(aTable(1, DataType::float64)), HUGE_VAL).message,
              HasSubstr("float64"));
}

TEST(InputPlan, RefusesAFractionForAnIntegerTensorWhateverWasDeclared) {
  EXPECT_EQ(problemOf(planOf(aTable(1, DataType::int64)), 1.5).message,
            "must be an integer, got 1.5");
  EXPECT_EQ(problemOf(planOf(aTable(1, DataType::int64), {aField("n")}), 1.5).message,
            "must be an integer, got 1.5");
}

TEST(InputPlan, GivesCategoriesTheirPosition) {
  const InputPlan plan = planOf(aTable(1), {oneOf("city", {"Paris", "Rome"})});
  InputRow row = plan.blankRow();
  ASSERT_TRUE(plan.put(row, 0, std::string_view("Rome")));
  EXPECT_EQ(row.numbers[0], 1);
  const Error error = problemOf(plan, std::string_view("Oslo"));
  EXPECT_EQ(error.code, ErrorCode::unprocessable);
  EXPECT_EQ(error.message, "is not a category the model knows; it knows \"Paris\", \"Rome\"");
}

TEST(InputPlan, ListsTenCategoriesAtMost) {
  std::vector<std::string> many;
  for (int i = 0; i < 11; ++i) many.push_back("c" + std::to_string(i));
  const Error error = problemOf(planOf(aTable(1), {oneOf("c", many)}), std::string_view("x"));
  EXPECT_THAT(error.message, ::testing::EndsWith("\"c9\", ..."));
}

TEST(InputPlan, KeepsNumbersAndTextsApart) {
  EXPECT_EQ(problemOf(planOf(aTable(1)), std::string_view("old")).message,
            "must be a number, got a text");
  EXPECT_EQ(problemOf(planOf(aTable(1), {oneOf("c", {"a"})}), 1.0).message,
            "must be a text, got a number");
}

TEST(InputPlan, TakesMissingValuesWhereTheFieldSaysSo) {
  InputField optional = aField("a");
  optional.required = false;
  InputField nullable = aField("b");
  nullable.nullable = true;
  const InputPlan plan = planOf(aTable(3), {optional, nullable, aField("c")});
  InputRow row = plan.blankRow();
  EXPECT_TRUE(plan.putMissing(row, 0));
  EXPECT_TRUE(plan.putMissing(row, 1));
  EXPECT_TRUE(std::isnan(row.numbers[1]));
  const auto required = plan.putMissing(row, 2);
  ASSERT_FALSE(required);
  EXPECT_EQ(required.error().message, "is required");
}

TEST(InputPlan, RefusesMissingValuesInTensorsThatHaveNone) {
  InputField optional = aField("a", FieldKind::integer);
  optional.required = false;
  EXPECT_THAT(refusal(aTable(1, DataType::int64), {{optional}, {}}),
              HasSubstr("field 'a' cannot be missing in a tensor of type int64"));
}

TEST(InputPlan, RefusesDeclarationsThatDoNotFitTheFile) {
  EXPECT_THAT(refusal(aTable(2), {{aField("a")}, {}}),
              HasSubstr("it declares 1 fields, the model takes 2"));
  EXPECT_THAT(refusal(aTable(2), {{aField("a"), aField("a")}, {}}),
              HasSubstr("field 'a' stands there twice"));
  EXPECT_THAT(refusal(aTable(1), {{aField("a", FieldKind::text)}, {}}),
              HasSubstr("field 'a' must be a number"));
  EXPECT_THAT(refusal(withInputs({{"x", DataType::text, {-1, 1}}}), {{aField("x")}, {}}),
              HasSubstr("must be a text"));
}

TEST(InputPlan, RefusesMoreCategoriesThanTheTensorCanCount) {
  EXPECT_THAT(
      refusal(aTable(1, DataType::uint8), {{oneOf("c", std::vector<std::string>(300, "x"))}, {}}),
      HasSubstr("has more categories than the model's uint8 holds"));
}

TEST(InputPlan, RefusesAModelWithMoreColumnsThanAreServed) {
  EXPECT_THAT(refusal(aTable(std::int64_t{1} << 40), {}), HasSubstr("at most 65536 are served"));
}

TEST(InputPlan, LeavesOtherShapesToTensors) {
  EXPECT_EQ(planOf(withInputs({{"pixels", DataType::float32, {-1, 3, 8, 8}}})).form(),
            InputForm::tensors);
  EXPECT_EQ(
      planOf(withInputs({{"a", DataType::float32, {-1, 1}}, {"b", DataType::float32, {-1, 4}}}))
          .form(),
      InputForm::tensors);
}

// A scalar has no place for a second row.
TEST(InputPlan, LeavesScalarsToTensors) {
  EXPECT_EQ(planOf(withInputs({{"a", DataType::float32, {}}, {"b", DataType::float32, {}}})).form(),
            InputForm::tensors);
}

ImagePreprocessing image(std::uint32_t width, std::uint32_t height,
                         ImageLayout layout = ImageLayout::channelsFirst) {
  return {.width = width, .height = height, .layout = layout};
}

TEST(InputPlan, TakesAPictureInTheModelsLayout) {
  const auto first =
      InputPlan::make(withInputs({{"x", DataType::float32, {-1, 3, 2, 4}}}), {{}, image(4, 2)});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->form(), InputForm::image);
  const Image picture{1, 1, 3, {1, 2, 3}};
  EXPECT_THAT(first->tensorsOf(picture)[0].shape, ElementsAre(1, 3, 2, 4));
  const auto last = InputPlan::make(withInputs({{"x", DataType::float32, {1, 2, 4, 3}}}),
                                    {{}, image(4, 2, ImageLayout::channelsLast)});
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_THAT(last->tensorsOf(picture)[0].shape, ElementsAre(1, 2, 4, 3));
  const auto flat = InputPlan::make(aTable(24), {{}, image(4, 2)});
  ASSERT_TRUE(flat) << flat.error().message;
  EXPECT_THAT(flat->tensorsOf(picture)[0].shape, ElementsAre(1, 24));
}

TEST(InputPlan, RefusesAPictureThatTheModelCannotTake) {
  EXPECT_THAT(refusal(withInputs({{"x", DataType::float32, {-1, 3, 2, 4}}}), {{}, image(2, 4)}),
              HasSubstr("the image gives [1, 3, 4, 2], the model takes [any, 3, 2, 4]"));
  EXPECT_THAT(refusal(withInputs({{"x", DataType::float32, {3, 2, 4}}}), {{}, image(4, 2)}),
              HasSubstr("[3, 2, 4]"));
  EXPECT_THAT(refusal(aTable(24, DataType::int64), {{}, image(4, 2)}),
              HasSubstr("one float32 input"));
}

}  // namespace
}  // namespace corbel::inference
