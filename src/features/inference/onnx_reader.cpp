#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "inference/model_readers.h"
#include "onnx_safety.h"
#include "onnx_values.h"

namespace corbel::inference {
namespace onnx {
namespace {

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

Result<void> addInput(Values& values, std::size_t index) {
  const Input& input = values.graph().inputs[index];
  Row row;
  row.inputs = std::make_shared<const std::vector<std::size_t>>(1, index);
  if (input.type != kFloat && input.type != kDouble && input.type != kInt64 &&
      input.type != kInt32) {
    return notTabular(fmt::format("input {} is not of numbers", excerpt(input.name)));
  }
  if (input.dims.size() != 2 || input.dims[1] > std::int64_t{kMaxFeatures}) {
    return notTabular(fmt::format("input {} is not a table", excerpt(input.name)));
  }
  row.precision = input.type == kFloat ? Precision::float32 : Precision::float64;
  row.width = input.dims[1] < 0 ? 0 : static_cast<std::uint32_t>(input.dims[1]);
  return values.set(input.name, std::move(row));
}

// Normalizer, Add and Div exist for rows and for scores; the first input tells which.
Result<void> evaluate(Values& values, const Node& node) {
  if (node.inputs.empty() || node.outputs.empty())
    return unprocessable("has no input or no output");
  const Value* const first = values.find(node.inputs[0]);
  const bool onScores = first != nullptr && std::holds_alternative<Scores>(*first);
  Step step = onScores ? scoreStep(node) : rowStep(node);
  if (step == nullptr) step = onScores ? rowStep(node) : scoreStep(node);
  if (step == nullptr) return notTabular("no operator of a tabular pipeline");
  return step(values, node);
}

Result<void> nameColumns(const Values& values, const Row& row, TabularModel& model) {
  const std::vector<std::size_t>& inputs = *row.inputs;
  bool named = values.graph().inputs.size() > 1;
  bool inOrder = inputs.size() == values.graph().inputs.size();
  model.input = Precision::float32;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = values.graph().inputs[inputs[i]];
    if (input.type != kFloat) model.input = Precision::float64;
    named = named && input.dims[1] == 1;
    inOrder = inOrder && inputs[i] == i;
  }
  if (!named && !inOrder) return notTabular("columns come in another order than the inputs");
  for (std::size_t i = 0; named && i < inputs.size(); ++i) {
    model.featureNames.emplace_back(values.graph().inputs[inputs[i]].name);
  }
  return {};
}

Result<TabularModel> assemble(const Values& values, const Scores& scores, const Label* label) {
  TabularModel model;
  model.finish = scores.finish;
  model.predictor = scores.predictor->model;
  std::visit([&](auto& predictor) { predictor.link = scores.link; }, model.predictor);
  model.classLabels = scores.predictor->labels;
  if (label != nullptr && label->labels != nullptr && size(*label->labels) != 0) {
    model.classLabels = *label->labels;
  }
  if (size(model.classLabels) == 0) model.classLabels = values.outputNames();
  const bool classifier = label != nullptr || size(model.classLabels) != 0;
  model.task = classifier ? Task::classifier : Task::regressor;
  for (const auto& transform : scores.row.transforms) model.transforms.push_back(*transform);
  CORBEL_CHECK(nameColumns(values, scores.row, model));
  CORBEL_CHECK(validate(model));
  return model;
}

Result<TabularModel> assemble(const Values& values) {
  const Scores* scores = nullptr;
  const Label* label = nullptr;
  for (const std::string_view name : values.graph().outputs) {
    const Value* value = values.find(name);
    if (value == nullptr)
      return unprocessable(fmt::format("output {} is nowhere made", excerpt(name)));
    if (const auto* found = std::get_if<Scores>(value)) {
      if (std::exchange(scores, found) != nullptr)
        return notTabular("the graph has several outputs of scores");
    } else if (const auto* other = std::get_if<Label>(value)) {
      label = other;
    } else {
      return notTabular(fmt::format("output {} is neither a label nor a score", excerpt(name)));
    }
  }
  if (scores == nullptr && label != nullptr) scores = &label->scores;
  if (scores == nullptr) return unprocessable("the graph has no outputs");
  return assemble(values, *scores, label);
}

Result<TabularModel> readPipeline(std::span<const std::byte> file) {
  CORBEL_TRY(Graph graph, readGraph(file));
  Values values(std::move(graph), file.size());
  for (std::size_t i = 0; i < values.graph().inputs.size(); ++i) CORBEL_CHECK(addInput(values, i));
  for (const Node& node : values.graph().nodes) {
    auto evaluated = evaluate(values, node);
    if (!evaluated) {
      Error error = std::move(evaluated).error();
      error.message = fmt::format("{}: {}", excerpt(node.type), error.message);
      return std::unexpected(std::move(error));
    }
  }
  return assemble(values);
}

}  // namespace

const Value* Values::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

const Tensor* Values::constant(const Node& node, std::size_t index) const {
  if (index >= node.inputs.size()) return nullptr;
  const auto found = graph_.constants.find(node.inputs[index]);
  return found == graph_.constants.end() ? nullptr : &found->second;
}

Result<void> Values::set(std::string_view name, Value value) {
  if (name.empty()) return {};
  if (!graph_.constants.contains(name) && values_.emplace(name, std::move(value)).second) return {};
  return unprocessable(fmt::format("value {} is there twice", excerpt(name)));
}

std::string Values::wrongInput(std::size_t index, std::string_view kind) {
  return fmt::format("its input {} is not {}", index, kind);
}

Step findStep(std::span<const StepName> steps, const Node& node) {
  const std::string_view domain = node.domain == "ai.onnx" ? "" : node.domain;
  for (const StepName& known : steps) {
    if (known.domain == domain && known.type == node.type) return known.step;
  }
  return nullptr;
}

}  // namespace onnx

Result<OnnxReading> readOnnx(std::span<const std::byte> file) {
  Result<TabularModel> model = onnx::readPipeline(file);
  if (model) return OnnxReading{std::move(*model), {}};
  if (!onnx::isNotTabular(model.error())) return std::unexpected(std::move(model).error());
  CORBEL_CHECK(onnx::checkTreeIndexes(file));
  return OnnxReading{std::nullopt, model.error().message};
}

}  // namespace corbel::inference
