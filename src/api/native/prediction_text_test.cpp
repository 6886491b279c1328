#include "native/prediction_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "json/decode.h"
#include "native/page.h"
#include "native/predictions_dto.h"

namespace corbel::native {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// What the writer reads of a model.
class NamedModel final : public inference::Model {
 public:
  explicit NamedModel(std::vector<std::string> classLabels, bool integerLabels = false) {
    signature_.integerLabels = integerLabels;
    signature_.inputs = {{"input", inference::DataType::float32, {-1, 2}}};
    signature_.featureNames = {"size", "a\"ge"};
    signature_.classLabels = std::move(classLabels);
  }
  const inference::Signature& signature() const override { return signature_; }
  Result<inference::Tensors> run(const inference::Tensors&, Deadline) const override {
    return inference::Tensors();
  }
  Result<inference::Explanation> explain(const inference::Tensors&, std::size_t,
                                         Deadline) const override {
    return inference::Explanation();
  }
  std::size_t memoryBytes() const override { return 0; }
  bool isQuick() const override { return true; }

 private:
  inference::Signature signature_;
};

std::shared_ptr<const models::ServedModel> serving(std::vector<std::string> classLabels,
                                                   std::vector<std::string> labels = {}) {
  auto served = std::make_shared<models::ServedModel>();
  served->modelId = "019b76da-a800-7000-8000-000000000000";
  served->modelName = "m";
  served->version = 3;
  served->engine = std::make_shared<NamedModel>(std::move(classLabels));
  served->plan = *inference::InputPlan::make(served->engine->signature(), {});
  served->labels = std::move(labels);
  return served;
}

models::PredictionResult classified(std::size_t index, std::string label = {}) {
  models::PredictionResult result;
  result.prediction.classIndex = index;
  result.prediction.probabilities = {0.25, 0.75};
  result.prediction.label = std::move(label);
  return result;
}

models::PredictionResult numbers(std::vector<double> values) {
  models::PredictionResult result;
  result.prediction.values = std::move(values);
  return result;
}

// The text that is written by hand is what PredictionView describes: decoding refuses anything
// else.
PredictionView viewOf(const models::ServedModel& served, const models::PredictionResult& result,
                      Confidence confidence = Confidence::yes) {
  CallFacts facts;
  facts.predictionId = "019b76da-a800-7000-8000-000000000001";
  facts.total = std::chrono::microseconds(1500);
  facts.inference = std::chrono::microseconds(250);
  facts.cached = true;
  const std::string text =
      predictionJson(resultMembers(served, result, confidence),
                     {served.modelId, served.modelName, served.version}, facts);
  auto view = json::decode<PredictionView>(text);
  EXPECT_TRUE(view) << view.error().message << "\n" << text;
  return view ? *std::move(view) : PredictionView();
}

TEST(PredictionText, TellsTheCall) {
  const auto view = viewOf(*serving({}), numbers({1}));
  EXPECT_EQ(view.model.id, "019b76da-a800-7000-8000-000000000000");
  EXPECT_EQ(view.model.name, "m");
  EXPECT_EQ(view.version, 3);
  EXPECT_EQ(view.predictionId, "019b76da-a800-7000-8000-000000000001");
  EXPECT_EQ(view.timing.totalMs, 1.5);
  EXPECT_EQ(view.timing.inferenceMs, 0.25);
  EXPECT_TRUE(view.cached);
  EXPECT_FALSE(view.degraded);
}

TEST(PredictionText, WritesANumberOrAListOfNumbers) {
  EXPECT_EQ(viewOf(*serving({}), numbers({1.5})).prediction.text, "1.5");
  EXPECT_EQ(viewOf(*serving({}), numbers({1, 2.5})).prediction.text, "[1,2.5]");
  EXPECT_EQ(viewOf(*serving({}), numbers({})).prediction.text, "[]");
}

TEST(PredictionText, NamesClassesAsTheFileDoes) {
  const auto view = viewOf(*serving({"cat", "dog"}), classified(1, "dog"));
  EXPECT_EQ(view.prediction.text, R"("dog")");
  EXPECT_EQ(view.confidence, 0.75);
  EXPECT_THAT(view.probabilities.value(), ElementsAre(Pair("cat", 0.25), Pair("dog", 0.75)));
}

TEST(PredictionText, PrefersTheRegistrantsLabels) {
  const auto view =
      viewOf(*serving({"0", "1"}, {R"("benign")", R"("mali\"gnant")"}), classified(1, "1"));
  EXPECT_EQ(view.prediction.text, R"("mali\"gnant")");
  EXPECT_THAT(view.probabilities.value(),
              ElementsAre(Pair("benign", 0.25), Pair("mali\"gnant", 0.75)));
  EXPECT_EQ(viewOf(*serving({}, {"10", "20"}), classified(0)).prediction.text, "10");
}

TEST(PredictionText, NumbersClassesWithoutNames) {
  const auto view = viewOf(*serving({}), classified(1));
  EXPECT_EQ(view.prediction.text, "1");
  EXPECT_THAT(view.probabilities.value(), ElementsAre(Pair("0", 0.25), Pair("1", 0.75)));
}

TEST(PredictionText, LeavesConfidenceOutWhenItIsNotWanted) {
  const auto view = viewOf(*serving({}), classified(1), Confidence::no);
  EXPECT_EQ(view.confidence, std::nullopt);
  EXPECT_FALSE(view.probabilities);
}

TEST(PredictionText, WritesTexts) {
  models::PredictionResult result;
  result.prediction.texts = {"a\n", "b"};
  EXPECT_EQ(viewOf(*serving({}), result).prediction.text, R"(["a\n","b"])");
}

TEST(PredictionText, WritesImportanceByField) {
  auto result = numbers({7});
  result.importance = models::FeatureImportance{"linear", "margin", 1, {2, 4}, std::nullopt};
  const auto view = viewOf(*serving({}), result);
  ASSERT_TRUE(view.importance);
  EXPECT_EQ(view.importance->method, "linear");
  EXPECT_EQ(view.importance->space, "margin");
  EXPECT_EQ(view.importance->base, 1);
  EXPECT_THAT(view.importance->values, ElementsAre(Pair("a\"ge", 4), Pair("size", 2)));
}

TEST(PredictionText, NamesTheClassThatImportanceSpeaksFor) {
  auto result = classified(0, "cat");
  result.importance = models::FeatureImportance{"treeshap", "margin", 1, {2, 4}, 0};
  EXPECT_EQ(viewOf(*serving({"cat", "dog"}), result).importance->class_->text, R"("cat")");
  EXPECT_EQ(viewOf(*serving({"cat", "dog"}, {"1.5", "2"}), result).importance->class_->text, "1.5");
  result.importance->classIndex.reset();
  EXPECT_FALSE(viewOf(*serving({"cat", "dog"}), result).importance->class_);
}

TEST(PredictionText, WritesLabelsThatAreIntegersAsNumbers) {
  auto served = std::make_shared<models::ServedModel>();
  served->engine = std::make_shared<NamedModel>(std::vector<std::string>{"5", "-7"}, true);
  served->plan = *inference::InputPlan::make(served->engine->signature(), {});
  auto result = classified(1, "-7");
  result.importance = models::FeatureImportance{"treeshap", "margin", 1, {2, 4}, 1};
  const auto view = viewOf(*served, result);
  EXPECT_EQ(view.prediction.text, "-7");
  EXPECT_EQ(view.importance->class_->text, "-7");
  EXPECT_THAT(*view.probabilities, ElementsAre(Pair("-7", 0.75), Pair("5", 0.25)));
}

TEST(Cursor, LeadsBackToItsPosition) {
  const auto position =
      parseCursor(toCursor({"house prices", "019b76da-a800-7000-8000-000000000000"}));
  ASSERT_TRUE(position);
  EXPECT_EQ(position->value, "house prices");
  EXPECT_EQ(position->id, "019b76da-a800-7000-8000-000000000000");
}

TEST(Cursor, RefusesWhatIsNone) {
  for (const std::string_view wrong : {"", "abc", "!!!", "MDE5Yjc2ZGEtYTgwMA"}) {
    const auto position = parseCursor(wrong);
    ASSERT_FALSE(position) << wrong;
    EXPECT_EQ(position.error().fields.at(0).pointer, "?cursor");
  }
}

TEST(Sort, ReadsTheDirection) {
  EXPECT_EQ(parseSort("name").field, "name");
  EXPECT_FALSE(parseSort("name").descending);
  EXPECT_EQ(parseSort("-createdAt").field, "createdAt");
  EXPECT_TRUE(parseSort("-createdAt").descending);
}

}  // namespace
}  // namespace corbel::native
