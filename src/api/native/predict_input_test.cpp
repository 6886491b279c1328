#include "native/predict_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/limits.h"

namespace corbel::native {
namespace {

using inference::DataType;
using inference::FieldKind;
using inference::Flag;
using inference::InputField;
using inference::InputPlan;
using inference::InputRow;
using inference::Signature;
using inference::Tensors;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The smallest PNG: one black pixel.
constexpr std::string_view kPixel =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";

InputField aField(std::string name, FieldKind kind = FieldKind::number) {
  InputField field;
  field.name = std::move(name);
  field.kind = kind;
  return field;
}

Signature withInputs(std::vector<inference::TensorSpec> inputs) {
  Signature signature;
  signature.inputs = std::move(inputs);
  return signature;
}

class PredictInput : public testing::Test {
 protected:
  // Columns of one float tensor, and how the fields of each kind are read.
  void declare(std::vector<InputField> fields) {
    signature_ =
        withInputs({{"input", DataType::float32, {-1, static_cast<std::int64_t>(fields.size())}}});
    plan_ = *InputPlan::make(signature_, {std::move(fields), {}});
  }
  void takes(std::vector<inference::TensorSpec> inputs) {
    signature_ = withInputs(std::move(inputs));
    plan_ = *InputPlan::make(signature_, {});
  }
  void takesImage(std::uint32_t side) {
    signature_ = withInputs({{"input", DataType::float32, {-1, std::int64_t{side} * side}}});
    plan_ = *InputPlan::make(
        signature_,
        {{}, inference::ImagePreprocessing{.width = side, .height = side, .channels = 1}});
  }

  Result<models::PredictionInput> read(std::string_view json) const {
    return readInput(plan_, signature_, json);
  }
  InputRow row(std::string_view json) const {
    const auto input = read(json);
    EXPECT_TRUE(input) << input.error().message;
    return input ? std::get<InputRow>(*input) : InputRow();
  }
  Tensors tensors(std::string_view json) const {
    const auto input = read(json);
    EXPECT_TRUE(input) << input.error().message;
    return input ? std::get<Tensors>(*input) : Tensors();
  }
  // "code pointer: message" of each field.
  std::vector<std::string> problems(std::string_view json) const {
    const auto input = read(json);
    if (input) return {"accepted"};
    std::vector<std::string> found;
    for (const FieldError& field : input.error().fields) {
      found.push_back(std::string(name(input.error().code)) + " " + field.pointer + ": " +
                      field.message);
    }
    return found;
  }

  Signature signature_;
  InputPlan plan_;
};

TEST_F(PredictInput, ReadsNamedFieldsInAnyOrder) {
  declare({aField("a"), aField("b", FieldKind::boolean)});
  EXPECT_THAT(row(R"({"b":true,"a":-1.5e1})").numbers, ElementsAre(-15, 1));
}

TEST_F(PredictInput, ReadsAListInTheOrderOfTheFields) {
  declare({aField("a"), aField("b")});
  EXPECT_THAT(row("[1, 2]").numbers, ElementsAre(1, 2));
}

TEST_F(PredictInput, ReadsCategoriesTextsAndMissingValues) {
  InputField city = aField("city", FieldKind::category);
  city.categories = {"Paris", "Rome"};
  InputField nullable = aField("n");
  nullable.nullable = true;
  InputField optional = aField("o");
  optional.required = false;
  declare({city, nullable, optional});
  const InputRow read = row(R"({"city":"R\u006fme","n":null})");
  EXPECT_EQ(read.numbers[0], 1);
  EXPECT_TRUE(std::isnan(read.numbers[1]));
  EXPECT_TRUE(std::isnan(read.numbers[2]));
}

TEST_F(PredictInput, NamesEveryProblemAtOnce) {
  InputField aged = aField("age");
  aged.minimum = 0;
  aged.maximum = 130;
  declare({aged, aField("size"), aField("rooms", FieldKind::integer), aField("x/y~z")});
  EXPECT_THAT(problems(R"({"age":200,"size":"big","rooms":2.5,"colour":1,"size":2})"),
              ElementsAre("invalid_argument /input/age: must be a number from 0 to 130, got 200",
                          "invalid_argument /input/size: must be a number, got text",
                          "invalid_argument /input/rooms: must be an integer, got 2.5",
                          "invalid_argument /input/colour: is not a feature of this model",
                          "invalid_argument /input/size: stands there twice",
                          "invalid_argument /input/x~1y~0z: is required"));
}

TEST_F(PredictInput, IsUnprocessableWhenOnlyRulesAreBroken) {
  InputField aged = aField("age");
  aged.minimum = 0;
  declare({aged});
  EXPECT_THAT(problems(R"({"age":-1})"),
              ElementsAre("unprocessable /input/age: must be a number, at least 0, got -1"));
}

TEST_F(PredictInput, RefusesEveryOtherKindOfValue) {
  declare({aField("a"), aField("b", FieldKind::boolean)});
  for (const std::string_view value : {"true", "null", "[]", "{}", "\"1\""}) {
    EXPECT_THAT(problems(R"({"b":false,"a":)" + std::string(value) + "}"),
                ElementsAre(HasSubstr("/input/a: must be a number, got")))
        << value;
  }
  EXPECT_THAT(problems(R"({"a":1,"b":1})"),
              ElementsAre(HasSubstr("/input/b: must be true or false, got")));
}

TEST_F(PredictInput, PointsIntoLists) {
  declare({aField("a"), aField("b")});
  EXPECT_THAT(problems(R"([1,"x"])"),
              ElementsAre("invalid_argument /input/1: must be a number, got text"));
  EXPECT_THAT(problems("[1]"), ElementsAre("invalid_argument /input: must hold 2 values, got 1"));
  EXPECT_THAT(problems("[1,2,3]"),
              ElementsAre("invalid_argument /input: must hold 2 values, got 3"));
  EXPECT_THAT(problems("7"),
              ElementsAre(HasSubstr("/input: must be an object of named features, or a list")));
}

TEST_F(PredictInput, ListsABoundedNumberOfProblems) {
  declare({aField("a")});
  std::string many = R"({"a":1)";
  for (std::size_t i = 0; i < 2 * limits::kFieldErrors; ++i)
    many += ",\"x" + std::to_string(i) + "\":0";
  const auto input = read(many + "}");
  ASSERT_FALSE(input);
  EXPECT_EQ(input.error().fields.size(), limits::kFieldErrors);
  EXPECT_THAT(input.error().message, HasSubstr("(and 199 more)"));
}

TEST_F(PredictInput, RefusesNumbersBeyondDouble) {
  declare({aField("a")});
  EXPECT_THAT(problems(R"({"a":1e400})"),
              ElementsAre(HasSubstr("invalid_argument /input/a: must")));
}

TEST_F(PredictInput, DecodesAnImage) {
  takesImage(2);
  for (const std::string prefix : {"", "data:image/png;base64,"}) {
    const auto input = read("\"" + prefix + std::string(kPixel) + "\"");
    ASSERT_TRUE(input) << input.error().message;
    EXPECT_EQ(std::get<inference::Image>(*input).width, 1U);
  }
}

TEST_F(PredictInput, NamesWhatIsWrongWithAnImage) {
  takesImage(2);
  EXPECT_THAT(problems("5"), ElementsAre(HasSubstr("invalid_argument /input: must be a text")));
  EXPECT_THAT(problems(R"("not base64!")"),
              ElementsAre("invalid_argument /input: is not valid base64"));
  EXPECT_THAT(problems(R"("data:image/png,xyz")"),
              ElementsAre("invalid_argument /input: must be a data URL with ;base64,"));
  EXPECT_THAT(problems(R"("R0lGODlh")"),
              ElementsAre("unprocessable /input: the image must be a JPEG or a PNG"));
}

TEST_F(PredictInput, ReadsTensorsByName) {
  takes({{"x", DataType::float32, {-1, 2, 2}},
         {"flags", DataType::boolean, {-1, 2}},
         {"ids", DataType::int64, {-1, -1}},
         {"words", DataType::text, {-1, 1}}});
  const Tensors read = tensors(
      R"({"ids":[[9007199254740993]],"x":[[[1,2],[3,4.5]]],"words":[["hi"]],"flags":[[true,false]]})");
  ASSERT_EQ(read.size(), 4U);
  EXPECT_THAT(read[0].shape, ElementsAre(1, 2, 2));
  EXPECT_THAT(std::get<std::vector<float>>(read[0].values), ElementsAre(1, 2, 3, 4.5));
  EXPECT_THAT(std::get<std::vector<Flag>>(read[1].values), ElementsAre(Flag::on, Flag::off));
  EXPECT_THAT(std::get<std::vector<std::int64_t>>(read[2].values), ElementsAre(9007199254740993));
  EXPECT_THAT(std::get<std::vector<std::string>>(read[3].values), ElementsAre("hi"));
}

TEST_F(PredictInput, TakesTheOneTensorWithoutItsName) {
  takes({{"x", DataType::float32, {-1, 1, 2}}});
  EXPECT_THAT(tensors("[[[1,2]],[[3,4]]]")[0].shape, ElementsAre(2, 1, 2));
}

TEST_F(PredictInput, ReadsScalars) {
  takes({{"x", DataType::float32, {}}, {"n", DataType::int32, {}}});
  const Tensors read = tensors(R"({"x":1.5,"n":-3})");
  EXPECT_TRUE(read[0].shape.empty());
  EXPECT_THAT(std::get<std::vector<std::int32_t>>(read[1].values), ElementsAre(-3));
}

TEST_F(PredictInput, NamesEveryListOfATensorThatHasAnotherLength) {
  takes({{"x", DataType::float32, {-1, 2, 2}}});
  EXPECT_THAT(problems("[]"), ElementsAre("invalid_argument /input: must hold at least one value; "
                                          "the shape is [any, 2, 2]"));
  EXPECT_THAT(problems("[[[1,2],[3]],[[5,6]]]"),
              ElementsAre("invalid_argument /input/0/1: must hold 2 values, got 1; the shape is "
                          "[any, 2, 2]",
                          "invalid_argument /input/1: must hold 2 values, got 1; the shape is "
                          "[any, 2, 2]"));
}

TEST_F(PredictInput, AListThatIsFreeIsAsLongAsTheFirstOne) {
  takes({{"x", DataType::float32, {-1, -1, 1}}});
  EXPECT_THAT(problems("[[[1],[2]],[[3]]]"),
              ElementsAre("invalid_argument /input/1: must hold 2 values, got 1; the shape is "
                          "[any, any, 1]"));
}

TEST_F(PredictInput, NamesEveryElementOfATensorThatHasAnotherType) {
  takes({{"x", DataType::float32, {-1, 2, 2}}});
  EXPECT_THAT(problems(R"([[[1,"2"],[3,null]]])"),
              ElementsAre("invalid_argument /input/0/0/1: must be a number, got text",
                          "invalid_argument /input/0/1/1: must be a number, got null"));
  EXPECT_THAT(problems("[[[[1],2],[3,1e39]]]"),
              ElementsAre("invalid_argument /input/0/0/0: must be a number, got a list",
                          "invalid_argument /input/0/1/1: must fit the model's float32, got 1e39"));
  EXPECT_THAT(problems("[[1,[3,4]]]"),
              ElementsAre("invalid_argument /input/0/0: must be a list, got a number; the shape is "
                          "[any, 2, 2]"));
  EXPECT_THAT(problems("1"), ElementsAre("invalid_argument /input: must be a list, got a number; "
                                         "the shape is [any, 2, 2]"));
}

TEST_F(PredictInput, ListsAHundredProblemsOfATensorAndCountsTheRest) {
  takes({{"x", DataType::float32, {-1, 1, 1}}});
  std::string json = "[";
  for (int i = 0; i < 1000; ++i) json += R"([["a"]],)";
  json.back() = ']';
  const auto refused = read(json);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fields.size(), limits::kFieldErrors);
  EXPECT_EQ(refused.error().message, "/input/0/0/0: must be a number, got text (and 999 more)");
}

TEST_F(PredictInput, NamesTheProblemsOfAllTensorsAtOnce) {
  takes({{"x", DataType::float32, {-1, 1, 1}}, {"y", DataType::boolean, {-1}}});
  EXPECT_THAT(problems(R"({"z":1,"x":[[[true]]]})"),
              ElementsAre("invalid_argument /input/z: is not an input of this model",
                          "invalid_argument /input/x/0/0/0: must be a number, got true or false",
                          "invalid_argument /input/y: is required"));
}

TEST_F(PredictInput, RefusesIntegersThatDoNotFit) {
  takes({{"x", DataType::uint8, {-1, 1, 1}}});
  for (const std::string_view wrong : {"[[[256]]]", "[[[-1]]]", "[[[1.5]]]"}) {
    EXPECT_THAT(problems(wrong), ElementsAre(HasSubstr("must fit the model's uint8, got")))
        << wrong;
  }
}

TEST_F(PredictInput, NamesMissingRepeatedAndUnknownTensors) {
  takes({{"x", DataType::float32, {-1, 1, 1}}, {"y", DataType::float32, {-1, 1, 1}}});
  EXPECT_THAT(problems(R"({"x":[[[1]]]})"), ElementsAre("invalid_argument /input/y: is required"));
  EXPECT_THAT(problems(R"({"x":[[[1]]],"x":[[[1]]],"y":[[[1]]]})"),
              ElementsAre("invalid_argument /input/x: stands there twice"));
  EXPECT_THAT(problems(R"({"z":[[[1]]]})"),
              ElementsAre("invalid_argument /input/z: is not an input of this model",
                          "invalid_argument /input/x: is required",
                          "invalid_argument /input/y: is required"));
  EXPECT_THAT(
      problems("[]"),
      ElementsAre("invalid_argument /input: must be an object with a value for each input"));
}

}  // namespace
}  // namespace corbel::native
