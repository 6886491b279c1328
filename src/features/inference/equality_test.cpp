// Equality with the frameworks: reads what tests/equality/make_models.py wrote to the folder
// CORBEL_EQUALITY_DIR.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "inference/model.h"
#include "inference/model_readers.h"
#include "inference/prediction.h"
#include "inference/tree_shap.h"
#include "reference_evaluator.h"

namespace corbel::inference {
namespace {

struct Case {
  std::string name;
  std::string modelFile;
  std::string dataFile;
  double bar = 0;
};

struct Data {
  std::size_t rows = 0, features = 0, outputs = 0;
  std::vector<double> inputs, expected;
  std::vector<std::int64_t> labels;  // empty: not given
};

std::vector<std::byte> contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path << " cannot be read";
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(content));
  return {bytes.begin(), bytes.end()};
}

std::vector<Case> casesOf(const std::string& folder, const std::string& list) {
  std::vector<Case> cases;
  std::ifstream file(folder + "/" + list);
  for (std::string line; std::getline(file, line);) {
    std::string_view rest = line;
    Case one;
    one.name = takeUntil(rest, '\t');
    one.modelFile = folder + "/" + std::string(takeUntil(rest, '\t'));
    one.dataFile = folder + "/" + std::string(takeUntil(rest, '\t'));
    one.bar = parseNumber<double>(rest).value_or(0);
    cases.push_back(one);
  }
  return cases;
}

template <class Number>
std::vector<Number> take(std::span<const std::byte>& rest, std::size_t count) {
  std::vector<Number> values(count);
  EXPECT_GE(rest.size(), count * sizeof(Number));
  std::memcpy(values.data(), rest.data(), count * sizeof(Number));
  rest = rest.subspan(count * sizeof(Number));
  return values;
}

Data dataOf(const std::string& path) {
  const std::vector<std::byte> content = contentOf(path);
  std::span<const std::byte> rest = content;
  const auto head = take<std::uint64_t>(rest, 4);
  Data data;
  data.rows = head[0];
  data.features = head[1];
  data.outputs = head[2];
  data.inputs = take<double>(rest, data.rows * data.features);
  data.expected = take<double>(rest, data.rows * data.outputs);
  if (head[3] != 0) data.labels = take<std::int64_t>(rest, data.rows);
  return data;
}

// Relative to the expected value where that is above 1.
double errorOf(double actual, double expected) {
  if (actual == expected || (std::isnan(actual) && std::isnan(expected))) return 0;
  const double error = std::abs(actual - expected) / std::max(1.0, std::abs(expected));
  return std::isnan(error) ? HUGE_VAL : error;
}

// Where the two best are as good as equal, rounding decides.
bool isTie(std::span<const double> outputs, double bar) {
  if (outputs.size() < 2) return false;
  std::vector<double> best(outputs.begin(), outputs.end());
  std::ranges::partial_sort(best, best.begin() + 2, std::greater());
  return best[0] - best[1] <= bar;
}

// What a model answers to a row.
struct Answer {
  std::vector<double> outputs;
  std::optional<std::int64_t> label;  // as an index; nothing: a regressor
};
using Answers = std::vector<Answer>;

Tensor tensorOf(const Signature& signature, std::span<const double> values, std::size_t columns) {
  const auto rows = static_cast<std::int64_t>(values.size() / columns);
  Tensor tensor{{rows, static_cast<std::int64_t>(columns)}, {}};
  if (signature.inputs[0].type == DataType::float64) {
    tensor.values = std::vector<double>(values.begin(), values.end());
  } else {
    tensor.values = std::vector<float>(values.begin(), values.end());
  }
  return tensor;
}

// The outputs themselves, also of a regressor with several and of a classifier that tells a label
// and one score.
Result<Prediction> numbersOf(Signature signature, const Tensors& outputs, std::size_t row) {
  signature.task = ModelTask::regression;
  return predictionOf(signature, {outputs.back()}, row);
}

void append(Answers& answers, const Model& model, const Tensors& outputs, std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row) {
    const auto numbers = numbersOf(model.signature(), outputs, row);
    const auto prediction = predictionOf(model.signature(), outputs, row);
    ASSERT_TRUE(numbers && prediction);
    answers.push_back({numbers->values, prediction->classIndex});
  }
}

// As it is served, `batch` rows at a time: few and many rows are evaluated in different ways.
Answers served(const Model& model, const Data& data, std::size_t batch) {
  Answers answers;
  for (std::size_t first = 0; first < data.rows; first += batch) {
    const std::size_t count = std::min(batch, data.rows - first);
    const auto rows = std::span(data.inputs).subspan(first * data.features, count * data.features);
    const auto outputs =
        model.run({tensorOf(model.signature(), rows, data.features)}, Deadline::never());
    EXPECT_TRUE(outputs);
    if (!outputs) return {};
    append(answers, model, *outputs, count);
  }
  return answers;
}

Answers plain(const TabularModel& model, const Data& data) {
  Answers answers;
  for (std::size_t row = 0; row < data.rows; ++row) {
    const auto input = std::span(data.inputs).subspan(row * data.features, data.features);
    std::vector<double> outputs = reference::predict(model, input);
    const bool one = outputs.size() == 1;
    const auto label = one ? outputs[0] > model.decisionThreshold
                           : std::ranges::max_element(outputs) - outputs.begin();
    answers.push_back({std::move(outputs), label});
  }
  return answers;
}

struct Outcome {
  double worst = 0;
  std::size_t identical = 0;  // rows equal to the last bit
  std::size_t wrongLabels = 0;
};

std::string kindOf(const TabularModel& model) {
  const bool isForest = std::holds_alternative<Forest>(model.predictor);
  const Precision precision =
      std::visit([](const auto& predictor) { return predictor.precision; }, model.predictor);
  return fmt::format("{} {}", isForest ? "forest" : "linear",
                     precision == Precision::float32 ? "float" : "double");
}

double worstError(std::span<const double> actual, std::span<const double> expected) {
  double worst = actual.size() == expected.size() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    worst = std::max(worst, errorOf(actual[i], expected[i]));
  }
  return worst;
}

Outcome compare(const Answers& answers, const Data& data, double bar) {
  Outcome outcome;
  if (answers.size() != data.rows) outcome.worst = HUGE_VAL;
  for (std::size_t row = 0; row < answers.size(); ++row) {
    const auto expected = std::span(data.expected).subspan(row * data.outputs, data.outputs);
    const double worst = worstError(answers[row].outputs, expected);
    outcome.worst = std::max(outcome.worst, worst);
    outcome.identical += worst == 0;
    if (!data.labels.empty() && !isTie(expected, bar))
      outcome.wrongLabels += answers[row].label != data.labels[row];
  }
  return outcome;
}

void expectEqual(const Answers& answers, const Case& one, const Data& data,
                 const std::string& how) {
  const Outcome outcome = compare(answers, data, one.bar);
  fmt::print("{:<42} {:<16} {:>6} {:>8} {:>10.2e} {:>8.0e} {:>6}\n", one.name, how, data.rows,
             outcome.identical, outcome.worst, one.bar, outcome.wrongLabels);
  EXPECT_LE(outcome.worst, one.bar) << one.name << ", " << how;
  EXPECT_EQ(outcome.wrongLabels, 0) << one.name << ", " << how;
}

void check(const Case& one) {
  const auto content = contentOf(one.modelFile);
  const SystemClock clock;
  const auto model = load(content, {}, clock, Deadline::never());
  const auto tabular = readTabularModel(content);
  ASSERT_TRUE(model) << one.name << ": " << model.error().message;
  ASSERT_TRUE(tabular) << one.name << ": " << tabular.error().message;
  const Data data = dataOf(one.dataFile);
  ASSERT_EQ(features(*tabular), data.features) << one.name;
  ASSERT_EQ(outputs(*tabular), data.outputs) << one.name;
  expectEqual(served(**model, data, data.rows), one, data, kindOf(*tabular));
  expectEqual(served(**model, data, 1), one, data, "row by row");
  expectEqual(plain(*tabular, data), one, data, "reference");
}

std::vector<double> contributionsOf(const TreeShap& shap, const std::vector<float>& row) {
  const SystemClock clock;
  std::vector<double> all;
  for (std::size_t output = 0; output < shap.outputs(); ++output) {
    const auto told = shap.explain(row.data(), output, TimeLimit(Deadline::never(), clock));
    if (told) all.insert(all.end(), told->begin(), told->end());
  }
  return all;
}

void checkContributions(const Case& one) {
  const auto model = readTabularModel(contentOf(one.modelFile));
  ASSERT_TRUE(model) << one.name << ": " << model.error().message;
  const auto shap = TreeShap::prepare(std::get<Forest>(model->predictor));
  ASSERT_TRUE(shap) << one.name << ": " << shap.error().message;
  const Data data = dataOf(one.dataFile);
  Answers answers;
  for (std::size_t row = 0; row < data.rows; ++row) {
    const auto input = std::span(data.inputs).subspan(row * data.features, data.features);
    const std::vector<float> floats(input.begin(), input.end());
    answers.push_back({contributionsOf(*shap, floats), std::nullopt});
  }
  expectEqual(answers, one, data, "contributions");
}

class Equality : public testing::Test {
 protected:
  void SetUp() override {
    // Nobody changes the environment meanwhile.
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* const folder = std::getenv("CORBEL_EQUALITY_DIR");
    if (folder == nullptr) GTEST_SKIP() << "CORBEL_EQUALITY_DIR is not set";
    folder_ = folder;
    fmt::print("{:<42} {:<16} {:>6} {:>8} {:>10} {:>8} {:>6}\n", "model", "kind", "rows",
               "bit-equal", "max error", "bar", "labels");
  }
  std::vector<Case> cases(const std::string& list) const {
    auto all = casesOf(folder_, list);
    EXPECT_FALSE(all.empty()) << folder_ << "/" << list << " is missing or empty";
    return all;
  }

 private:
  std::string folder_;
};

TEST_F(Equality, HoldsForEveryModelOfTheFrameworks) {
  for (const Case& one : cases("cases.txt")) check(one);
}

TEST_F(Equality, HoldsForTheContributionsOfFeatures) {
  for (const Case& one : cases("contributions.txt")) checkContributions(one);
}

}  // namespace
}  // namespace corbel::inference
