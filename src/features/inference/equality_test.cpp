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
#include <string>
#include <vector>

#include "base/text.h"
#include "inference/model_readers.h"
#include "reference_evaluator.h"

namespace corbel::inference {
namespace {

using Predict = std::vector<double> (*)(const TabularModel&, std::span<const double>);
constexpr Predict kPredict = reference::predict;  // the evaluator under test

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

std::vector<Case> casesOf(const std::string& folder) {
  std::vector<Case> cases;
  std::ifstream file(folder + "/cases.txt");
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

std::int64_t labelOf(const TabularModel& model, const std::vector<double>& outputs) {
  if (outputs.size() == 1) return outputs[0] > model.decisionThreshold ? 1 : 0;
  return std::ranges::max_element(outputs) - outputs.begin();
}

// Where the two best are as good as equal, rounding decides.
bool isTie(std::span<const double> outputs, double bar) {
  if (outputs.size() < 2) return false;
  std::vector<double> best(outputs.begin(), outputs.end());
  std::ranges::partial_sort(best, best.begin() + 2, std::greater());
  return best[0] - best[1] <= bar;
}

struct Outcome {
  std::string kind;
  double worst = 0;
  std::size_t identical = 0;  // rows equal to the last bit
  std::size_t wrongLabels = 0;
};

std::string kindOf(const TabularModel& model) {
  const bool isForest = std::holds_alternative<Forest>(model.predictor);
  const Precision precision = std::visit([](const auto& predictor) { return predictor.precision; }, model.predictor);
  return fmt::format("{} {}", isForest ? "forest" : "linear", precision == Precision::float32 ? "float" : "double");
}

Outcome compare(const TabularModel& model, const Data& data, double bar) {
  Outcome outcome;
  outcome.kind = kindOf(model);
  for (std::size_t row = 0; row < data.rows; ++row) {
    const auto input = std::span(data.inputs).subspan(row * data.features, data.features);
    const std::vector<double> actual = kPredict(model, input);
    const auto expected = std::span(data.expected).subspan(row * data.outputs, data.outputs);
    double worst = 0;
    for (std::size_t i = 0; i < data.outputs; ++i) {
      worst = std::max(worst, errorOf(actual[i], expected[i]));
    }
    outcome.worst = std::max(outcome.worst, worst);
    outcome.identical += worst == 0;
    if (!data.labels.empty() && !isTie(expected, bar))
      outcome.wrongLabels += labelOf(model, actual) != data.labels[row];
  }
  return outcome;
}

void check(const Case& one) {
  const auto model = readTabularModel(contentOf(one.modelFile));
  ASSERT_TRUE(model) << one.name << ": " << model.error().message;
  const Data data = dataOf(one.dataFile);
  ASSERT_EQ(features(*model), data.features) << one.name;
  ASSERT_EQ(outputs(*model), data.outputs) << one.name;
  const Outcome outcome = compare(*model, data, one.bar);
  fmt::print("{:<42} {:<14} {:>6} {:>8} {:>10.2e} {:>8.0e} {:>6}\n", one.name, outcome.kind, data.rows,
             outcome.identical, outcome.worst, one.bar, outcome.wrongLabels);
  EXPECT_LE(outcome.worst, one.bar) << one.name;
  EXPECT_EQ(outcome.wrongLabels, 0) << one.name;
}

TEST(Equality, HoldsForEveryModelOfTheFrameworks) {
  const char* const folder = std::getenv("CORBEL_EQUALITY_DIR");
  if (folder == nullptr) GTEST_SKIP() << "CORBEL_EQUALITY_DIR is not set";
  const std::vector<Case> cases = casesOf(folder);
  ASSERT_FALSE(cases.empty()) << folder << "/cases.txt is missing or empty";
  fmt::print("{:<42} {:<14} {:>6} {:>8} {:>10} {:>8} {:>6}\n", "model", "kind", "rows", "bit-equal", "max error", "bar",
             "labels");
  for (const Case& one : cases) check(one);
}

}  // namespace
}  // namespace corbel::inference
