// A model over rows of numbers, complete: what is done with a row, in order, and what the outputs
// mean.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/forest.h"
#include "inference/linear.h"

namespace corbel::inference {

enum class Task : std::uint8_t { regressor, classifier };

// Row transforms. A vector has one value a column, or one for all columns.
struct Scaler {  // (x - offset) * scale
  std::vector<double> offset;
  std::vector<double> scale;
};
struct Arithmetic {  // x + value, x - value, x * value, x / value
  enum class Operation : std::uint8_t { add, subtract, multiply, divide };
  Operation operation = Operation::add;
  std::vector<double> values;
};
struct Normalizer {  // the row divided by its norm; a row of norm 0 stays
  enum class Norm : std::uint8_t { max, l1, l2 };
  Norm norm = Norm::l2;
};
struct Imputer {  // x equal to `missing` (NaN equals NaN) becomes the column's value
  std::vector<double> values;
  double missing = 0;
};
struct Transform {
  std::variant<Scaler, Arithmetic, Normalizer, Imputer> step;
  Precision precision = Precision::float32;  // of its arithmetic and its result
};

// Names of classes as the file has them: integers or texts, in the order of the outputs.
using ClassLabels = std::variant<std::vector<std::int64_t>, std::vector<std::string>>;

// What follows the link, for classifiers that train one model a class.
enum class Finish : std::uint8_t {
  none,
  complement,   // one output p becomes two: 1 - p and p
  normalizeL1,  // outputs divided by the sum of their absolute values; a sum of 0 stays
};

// How the outputs of a row become probabilities or scores, and which label a classifier predicts:
// with two labels and one output (Finish::none, hinge and raw scores) the second label when the
// output is above `decisionThreshold`; else the label of the first largest output.
struct TabularModel {
  Task task = Task::regressor;
  std::vector<std::string> featureNames;  // empty: the file names none
  ClassLabels classLabels;                // empty: a regressor, or the file names none
  Precision input = Precision::float32;   // what a row is rounded to before anything else
  std::vector<Transform> transforms;
  std::variant<Forest, LinearModel> predictor;
  Finish finish = Finish::none;
  double decisionThreshold = 0;
};

std::uint32_t features(const TabularModel& model);
// Values a row has at the end: raw sums after link and finish.
std::uint32_t outputs(const TabularModel& model);
std::size_t size(const ClassLabels& labels);

// The predictor's own rules, and that names, labels, transforms and predictor agree in size and are
// UTF-8. unprocessable: names what does not.
Result<void> validate(const TabularModel& model);

}  // namespace corbel::inference
