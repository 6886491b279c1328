#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "onnx_values.h"

namespace corbel::inference::onnx {
namespace {

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

Result<void> predictor(Values& values, const Node& node) {
  CORBEL_TRY(Row row, values.input<Row>(node, 0, "a row"));
  const bool linear = node.type.starts_with("Linear");
  CORBEL_TRY(Predictor predictor,
             linear ? readLinear(node, row.width)
                    : readTreeEnsemble(node, row.precision, row.width, values.allowance()));
  const Link link = std::visit([](const auto& model) { return model.link; }, predictor.model);
  const bool classifier = node.type.ends_with("Classifier");
  Scores scores{std::move(row), nullptr, link, predictor.finish};
  const auto labels = std::make_shared<const ClassLabels>(predictor.labels);
  scores.predictor = std::make_shared<const Predictor>(std::move(predictor));
  if (!classifier) return values.set(node.outputs[0], std::move(scores));
  CORBEL_CHECK(values.set(node.outputs[0], Label{scores, labels}));
  if (node.outputs.size() < 2) return {};
  return values.set(node.outputs[1], std::move(scores));
}

Result<void> matMul(Values& values, const Node& node) {
  CORBEL_TRY(Row row, values.input<Row>(node, 0, "a row"));
  const Tensor* tensor = values.constant(node, 1);
  if (tensor == nullptr || tensor->dims.empty() || tensor->dims.size() > 2) {
    return notTabular("not of a row and a constant matrix");
  }
  CORBEL_TRY(const std::vector<double> matrix, tensor->reals());
  LinearModel model;
  model.precision = row.precision;
  const std::size_t rows = std::size_t(tensor->dims[0]);
  const std::size_t columns = tensor->dims.size() == 1 ? 1 : std::size_t(tensor->dims[1]);
  if (rows > kMaxFeatures || columns > kMaxOutputs) return notTabular("the matrix is very large");
  if (row.width != 0 && row.width != rows) {
    return unprocessable(fmt::format("a matrix of {} rows for {} columns", rows, row.width));
  }
  model.features = static_cast<std::uint32_t>(rows);
  model.outputs = static_cast<std::uint32_t>(columns);
  CORBEL_CHECK(values.allowance().claim(matrix.size(), sizeof(double), "the coefficients"));
  for (std::size_t column = 0; column < columns; ++column) {
    for (std::size_t i = 0; i < rows; ++i)
      model.coefficients.push_back(matrix[i * columns + column]);
  }
  model.intercepts.resize(columns);
  return values.set(
      node.outputs[0],
      Scores{std::move(row), std::make_shared<const Predictor>(Predictor{std::move(model), {}, {}}),
             Link::identity, Finish::none});
}

// The intercepts of a MatMul.
Result<void> addIntercepts(Values& values, const Node& node) {
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  CORBEL_TRY(const std::vector<double> constants, constantRow(values, node));
  const auto* model = std::get_if<LinearModel>(&scores.predictor->model);
  if (model == nullptr || scores.link != Link::identity) return notTabular("arithmetic on scores");
  if (constants.size() != 1 && constants.size() != model->outputs) {
    return unprocessable(fmt::format("{} values for {} scores", constants.size(), model->outputs));
  }
  CORBEL_CHECK(
      values.allowance().claim(model->coefficients.size(), sizeof(double), "the coefficients"));
  Predictor changed = *scores.predictor;
  auto& intercepts = std::get<LinearModel>(changed.model).intercepts;
  for (std::size_t i = 0; i < intercepts.size(); ++i) {
    intercepts[i] += constants[constants.size() == 1 ? 0 : i];
  }
  scores.predictor = std::make_shared<const Predictor>(std::move(changed));
  return values.set(node.outputs[0], std::move(scores));
}

Result<void> link(Values& values, const Node& node) {
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  if (scores.link != Link::identity || scores.finish != Finish::none) {
    return notTabular("a second link");
  }
  CORBEL_TRY(const std::int64_t axis, node.integer("axis", -1));
  if (node.type == "Softmax" && axis != -1 && axis != 1) return notTabular("not along a row");
  scores.link = node.type == "Sigmoid" ? Link::sigmoid
                : node.type == "Exp"   ? Link::exponential
                                       : Link::softmax;
  return values.set(node.outputs[0], std::move(scores));
}

Result<void> absolute(Values& values, const Node& node) {
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  return values.set(node.outputs[0], Norm{std::move(scores), false});
}

Result<void> sum(Values& values, const Node& node) {
  CORBEL_TRY(Norm norm, values.input<Norm>(node, 0, "an absolute value"));
  norm.summed = true;
  return values.set(node.outputs[0], std::move(norm));
}

// Probabilities of softmax and complements sum to 1 already, but the division rounds, so it
// stays.
Scores normalized(Scores scores) {
  if (scores.finish == Finish::none) scores.finish = Finish::normalizeL1;
  return scores;
}

Result<void> normalizeScores(Values& values, const Node& node) {
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  CORBEL_TRY(const std::string norm, node.text("norm", "MAX"));
  if (norm != "L1") return notTabular("scores are normalized by another norm than L1");
  return values.set(node.outputs[0], normalized(std::move(scores)));
}

Result<void> divideByNorm(Values& values, const Node& node) {
  CORBEL_TRY(const Scores scores, values.input<Scores>(node, 0, "a score"));
  CORBEL_TRY(const Norm norm, values.input<Norm>(node, 1, "the norm of the scores"));
  if (!norm.summed || norm.scores.predictor != scores.predictor ||
      norm.scores.link != scores.link) {
    return notTabular("scores are divided by something else than their sum");
  }
  return values.set(node.outputs[0], normalized(scores));
}

Result<void> reshape(Values& values, const Node& node) {
  const Value* value = values.find(node.inputs[0]);
  const Tensor* shape = values.constant(node, 1);
  if (value == nullptr || shape == nullptr) return notTabular("not of scores or labels");
  if (const auto* scores = std::get_if<Scores>(value)) {
    CORBEL_TRY(const auto dims, shape->integers());
    const std::uint32_t width =
        std::visit([](const auto& model) { return model.outputs; }, scores->predictor->model);
    const bool same = !dims.empty() && dims[0] == -1 &&
                      (dims.size() == 1 ? width == 1 : dims.size() == 2 && dims[1] == width);
    if (!same) return notTabular("scores into another shape");
    return values.set(node.outputs[0], *scores);
  }
  if (!std::holds_alternative<Label>(*value)) return notTabular("not of scores or labels");
  return values.set(node.outputs[0], Value(*value));
}

Result<void> argMax(Values& values, const Node& node) {
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  CORBEL_TRY(const std::int64_t axis, node.integer("axis", 0));
  if (axis != 1 && axis != -1) return notTabular("not along a row");
  return values.set(node.outputs[0], Label{std::move(scores), nullptr});
}

// Picks names of labels, or one score of several.
Result<void> pick(Values& values, const Node& node) {
  if (const Tensor* names = values.constant(node, 0)) {
    CORBEL_TRY(Label label, values.input<Label>(node, 1, "a label"));
    CORBEL_TRY(ClassLabels labels, names->labels());
    label.labels = std::make_shared<const ClassLabels>(std::move(labels));
    return values.set(node.outputs[0], std::move(label));
  }
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  const Tensor* tensor = values.constant(node, 1);
  const auto* model = std::get_if<LinearModel>(&scores.predictor->model);
  if (tensor == nullptr || model == nullptr || scores.link != Link::identity) {
    return notTabular("picks scores");
  }
  CORBEL_TRY(const auto picked, tensor->integers());
  if (picked.size() != 1 || picked[0] < 0 || picked[0] >= std::int64_t{model->outputs}) {
    return notTabular("picks several scores");
  }
  const std::size_t index = std::size_t(picked[0]);
  LinearModel one;
  one.precision = model->precision;
  one.features = model->features;
  const auto begin = model->coefficients.begin() + std::ptrdiff_t(index * model->features);
  one.coefficients.assign(begin, begin + model->features);
  one.intercepts = {model->intercepts[index]};
  Predictor changed{std::move(one), Finish::none, scores.predictor->labels};
  scores.predictor = std::make_shared<const Predictor>(std::move(changed));
  return values.set(node.outputs[0], std::move(scores));
}

// A map from label to score: the scores, with the names.
Result<void> zipMap(Values& values, const Node& node) {
  CORBEL_TRY(Scores scores, values.input<Scores>(node, 0, "a score"));
  CORBEL_TRY(ClassLabels labels, labelsOf(node, "classlabels_int64s", "classlabels_strings"));
  values.nameOutputs(std::move(labels));
  return values.set(node.outputs[0], std::move(scores));
}

constexpr StepName kSteps[] = {
    {"ai.onnx.ml", "TreeEnsembleClassifier", predictor},
    {"ai.onnx.ml", "TreeEnsembleRegressor", predictor},
    {"ai.onnx.ml", "TreeEnsemble", predictor},
    {"ai.onnx.ml", "LinearClassifier", predictor},
    {"ai.onnx.ml", "LinearRegressor", predictor},
    {"ai.onnx.ml", "Normalizer", normalizeScores},
    {"ai.onnx.ml", "ArrayFeatureExtractor", pick},
    {"ai.onnx.ml", "ZipMap", zipMap},
    {"", "MatMul", matMul},
    {"", "Add", addIntercepts},
    {"", "Div", divideByNorm},
    {"", "Sigmoid", link},
    {"", "Softmax", link},
    {"", "Exp", link},
    {"", "Abs", absolute},
    {"", "ReduceSum", sum},
    {"", "Reshape", reshape},
    {"", "ArgMax", argMax},
};

}  // namespace

Step scoreStep(const Node& node) { return findStep(kSteps, node); }

}  // namespace corbel::inference::onnx
