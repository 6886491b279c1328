// The meaning of an ONNX graph, found by walking its nodes once: each node must make sense of its
// inputs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/tabular_model.h"
#include "onnx_graph.h"
#include "onnx_predictor.h"
#include "tree_builder.h"

namespace corbel::inference::onnx {

// What a value of the graph means. Copies are cheap, as a file may name a value a thousand times.
struct Row {  // columns of the model's input, transformed
  std::shared_ptr<const std::vector<std::size_t>> inputs;  // of the graph, in column order
  std::vector<std::shared_ptr<const Transform>> transforms;
  Precision precision = Precision::float32;
  bool narrowed = false;    // rounded to float by a Cast alone
  std::uint32_t width = 0;  // 0: the graph does not say
};
struct Scores {  // outputs of the predictor
  Row row;
  std::shared_ptr<const Predictor> predictor;
  Link link = Link::identity;
  Finish finish = Finish::none;
};
struct Label {
  Scores scores;
  std::shared_ptr<const ClassLabels> labels;
};
struct Norm {  // a step on the way to scores / sum(|scores|)
  Scores scores;
  bool summed = false;
};
using Value = std::variant<Row, Scores, Label, Norm>;

// Everything known so far about the graph's values.
class Values {
 public:
  Values(Graph graph, std::size_t fileBytes) : graph_(std::move(graph)), allowance_(fileBytes) {}

  const Graph& graph() const { return graph_; }
  Allowance& allowance() { return allowance_; }
  // nullptr: not known.
  const Value* find(std::string_view name) const;
  // nullptr: input `index` of `node` is not a constant.
  const Tensor* constant(const Node& node, std::size_t index) const;
  // notTabular: input `index` is something else; the message says what it should be.
  template <class Kind>
  Result<Kind> input(const Node& node, std::size_t index, std::string_view kind) const {
    const Value* const value = index < node.inputs.size() ? find(node.inputs[index]) : nullptr;
    if (value != nullptr && std::holds_alternative<Kind>(*value)) return std::get<Kind>(*value);
    return notTabular(wrongInput(index, kind));
  }
  // unprocessable: the name has a value already.
  Result<void> set(std::string_view name, Value value);

  // Names that a ZipMap gives to the scores.
  void nameOutputs(ClassLabels labels) { outputNames_ = std::move(labels); }
  const ClassLabels& outputNames() const { return outputNames_; }

 private:
  static std::string wrongInput(std::size_t index, std::string_view kind);

  Graph graph_;
  Allowance allowance_;
  std::map<std::string_view, Value, std::less<>> values_;
  ClassLabels outputNames_;
};

// Finds the value of a node's output and sets it. The node has an input and an output.
using Step = Result<void> (*)(Values&, const Node&);

struct StepName {
  std::string_view domain;
  std::string_view type;
  Step step;
};
// nullptr: the operator is not among them.
Step findStep(std::span<const StepName> steps, const Node& node);
Step rowStep(const Node& node);
Step scoreStep(const Node& node);

// The second input, a constant with one value a column or one for all. notTabular: it is no such
// constant.
Result<std::vector<double>> constantRow(const Values& values, const Node& node);

}  // namespace corbel::inference::onnx
