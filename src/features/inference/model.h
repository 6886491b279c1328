// Runs a model version on rows. Knows engines and memory, not HTTP, tenants or names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "inference/tensor.h"

namespace corbel::inference {

enum class ModelTask : std::uint8_t { classification, regression, other };

// What a model file says of itself.
struct Signature {
  std::string engine;  // "forest", "linear", "onnxruntime"
  std::string format;  // "xgboost-json", "xgboost-ubj", "lightgbm-text", "onnx"
  ModelTask task = ModelTask::other;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::vector<std::string>
      featureNames;  // one a column of a single-input tabular model; empty: the file names none
  std::vector<std::string>
      classLabels;  // in the order of the probabilities; empty: not a classifier
  // Of a classifier: the output that holds a probability a class and row, and the one that holds
  // the label; -1: none.
  int probabilities = -1;
  int labels = -1;
  bool integerLabels = false;   // classLabels and the labels are integers, written as texts here
  bool acceptsMissing = false;  // NaN has a meaning to the model
};

// Contributions of the columns to one output, of a classifier to one class, in the model's margin
// space: they add up to the margin with `base`.
struct Explanation {
  std::string_view method;            // "treeshap" or "linear"; both exact
  std::vector<double> contributions;  // one a column
  double base = 0;
};

// One loaded model version. Thread-safe: any number of run() at once. Its memory is given back when
// the last handle goes.
class Model {
 public:
  virtual ~Model() = default;

  virtual const Signature& signature() const = 0;

  // Outputs for `inputs`, row for row, in the order of signature().outputs.
  // invalid_argument: a tensor is missing, extra, or has the wrong type or shape (the message names
  // it). deadline_exceeded: the work was stopped. internal: the engine failed; the model stays
  // usable.
  virtual Result<Tensors> run(const Tensors& inputs, Deadline deadline) const = 0;

  // Why the first row of `inputs` got its result: its class or value `output`. A model with one
  // margin, as many have for two classes (it speaks of the second), explains that, whatever
  // `output` says. unprocessable: the model cannot tell (no engine method, or its file lacks the
  // training weights that an exact answer needs). invalid_argument, deadline_exceeded: as run().
  virtual Result<Explanation> explain(const Tensors& inputs, std::size_t output,
                                      Deadline deadline) const = 0;

  // Grows when the first explanation prepares what all need.
  virtual std::size_t memoryBytes() const = 0;

  // True when one row takes microseconds: it may run on a network thread.
  virtual bool isQuick() const = 0;
};

// The dlopen()ed ONNX Runtime library, shared by all models that need it.
class OnnxRuntime;

struct LoadOptions {
  // Asked for when a graph needs it. Empty: ONNX graphs beyond trees and linear models are refused.
  std::function<Result<std::shared_ptr<OnnxRuntime>>()> onnxRuntime;
};

// Loads the file's bytes. The engine is chosen by content, never by name. `clock` must outlive the
// model.
// unprocessable: no engine can read it; the message says what is wrong and where.
// deadline_exceeded: the time was over first.
Result<std::shared_ptr<const Model>> load(std::span<const std::byte> file,
                                          const LoadOptions& options, const Clock& clock,
                                          Deadline deadline);

}  // namespace corbel::inference
