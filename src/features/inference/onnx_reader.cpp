#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "inference/model_readers.h"
#include "onnx_graph.h"
#include "onnx_predictor.h"

namespace corbel::inference {
namespace onnx {
namespace {

// What a value of the graph means. Copies are cheap, as a file may name a value a thousand times.
// The graph is walked once, node by node: each node must make sense of its inputs.
struct Row {  // columns of the model's input, transformed
  std::shared_ptr<const std::vector<std::size_t>>
      inputs;  // of the graph, in the order of the columns
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

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

class Interpreter {
 public:
  Interpreter(Graph graph, std::size_t bytes) : graph_(std::move(graph)), allowance_(bytes) {}

  Result<TabularModel> run() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) CORBEL_CHECK(addInput(i));
    for (const Node& node : graph_.nodes) {
      auto value = evaluate(node);
      if (!value) {
        Error error = std::move(value).error();
        error.message = fmt::format("{}: {}", node.type, error.message);
        return std::unexpected(std::move(error));
      }
    }
    return assemble();
  }

 private:
  using Step = Result<void> (Interpreter::*)(const Node&);

  Result<void> addInput(std::size_t index) {
    const Input& input = graph_.inputs[index];
    Row row;
    row.inputs = std::make_shared<const std::vector<std::size_t>>(1, index);
    if (input.type != kFloat && input.type != kDouble && input.type != kInt64 &&
        input.type != kInt32) {
      return notTabular(fmt::format("input {} is not of numbers", input.name));
    }
    if (input.dims.size() != 2 || input.dims[1] > std::int64_t{kMaxFeatures}) {
      return notTabular(fmt::format("input {} is not a table", input.name));
    }
    row.precision = input.type == kFloat ? Precision::float32 : Precision::float64;
    row.width = input.dims[1] < 0 ? 0 : static_cast<std::uint32_t>(input.dims[1]);
    values_.emplace(input.name, std::move(row));
    return {};
  }

  Result<void> evaluate(const Node& node) {
    static constexpr std::pair<std::string_view, Step> kMachineLearning[] = {
        {"Scaler", &Interpreter::scaler},
        {"Normalizer", &Interpreter::normalizer},
        {"Imputer", &Interpreter::imputer},
        {"FeatureVectorizer", &Interpreter::concat},
        {"TreeEnsembleClassifier", &Interpreter::predictor},
        {"TreeEnsembleRegressor", &Interpreter::predictor},
        {"TreeEnsemble", &Interpreter::predictor},
        {"LinearClassifier", &Interpreter::predictor},
        {"LinearRegressor", &Interpreter::predictor},
        {"ZipMap", &Interpreter::zipMap},
        {"ArrayFeatureExtractor", &Interpreter::pick},
    };
    static constexpr std::pair<std::string_view, Step> kStandard[] = {
        {"Identity", &Interpreter::identity}, {"Cast", &Interpreter::cast},
        {"Concat", &Interpreter::concat},     {"Reshape", &Interpreter::reshape},
        {"ArgMax", &Interpreter::argMax},     {"MatMul", &Interpreter::matMul},
        {"Add", &Interpreter::arithmetic},    {"Sub", &Interpreter::arithmetic},
        {"Mul", &Interpreter::arithmetic},    {"Div", &Interpreter::arithmetic},
        {"Sigmoid", &Interpreter::link},      {"Softmax", &Interpreter::link},
        {"Exp", &Interpreter::link},          {"Abs", &Interpreter::absolute},
        {"ReduceSum", &Interpreter::sum},
    };
    const bool own = node.domain == "ai.onnx.ml";
    if (!own && !node.domain.empty() && node.domain != "ai.onnx") {
      return notTabular(fmt::format("operators of {} are not read", node.domain));
    }
    const std::span<const std::pair<std::string_view, Step>> steps =
        own ? std::span<const std::pair<std::string_view, Step>>(kMachineLearning) : kStandard;
    const auto step =
        std::ranges::find(steps, node.type, &std::pair<std::string_view, Step>::first);
    if (step == steps.end()) return notTabular("no operator of a tabular pipeline");
    if (node.inputs.empty() || node.outputs.empty()) {
      return unprocessable("has no input or no output");
    }
    return (this->*step->second)(node);
  }

  // ---- values

  template <class Kind>
  Result<Kind> input(const Node& node, std::size_t index, std::string_view kind) const {
    const auto found =
        index < node.inputs.size() ? values_.find(node.inputs[index]) : values_.end();
    if (found != values_.end()) {
      if (const Kind* value = std::get_if<Kind>(&found->second)) return *value;
    }
    return notTabular(fmt::format("its input {} is not {}", index, kind));
  }

  const Value* valueOf(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  }

  const Tensor* constant(const Node& node, std::size_t index) const {
    if (index >= node.inputs.size()) return nullptr;
    const auto found = graph_.constants.find(node.inputs[index]);
    return found == graph_.constants.end() ? nullptr : &found->second;
  }

  Result<void> set(std::string_view name, Value value) {
    if (name.empty()) return {};
    if (!graph_.constants.contains(name) && values_.emplace(name, std::move(value)).second)
      return {};
    return unprocessable(fmt::format("value {} is there twice", name));
  }

  // ---- rows

  Result<void> append(const Node& node, Row row, Transform transform) {
    row.precision = transform.precision;
    row.narrowed = false;
    row.transforms.push_back(std::make_shared<const Transform>(std::move(transform)));
    return set(node.outputs[0], std::move(row));
  }

  // ONNX-ML's row operators compute in float; for doubles only ONNX Runtime knows the rounding.
  Result<Row> floatRow(const Node& node) const {
    CORBEL_TRY(Row row, input<Row>(node, 0, "a row"));
    if (row.precision == Precision::float64) return notTabular("rows of doubles");
    return row;
  }

  static Result<void> widen(Row& row, std::size_t columns) {
    if (columns == 1) return {};
    if (row.width == 0) row.width = static_cast<std::uint32_t>(columns);
    if (row.width == columns) return {};
    return unprocessable(fmt::format("{} values for rows of {} columns", columns, row.width));
  }

  Result<void> scaler(const Node& node) {
    CORBEL_TRY(Row row, floatRow(node));
    Scaler scaler;
    CORBEL_TRY(scaler.offset, node.floats("offset"));
    CORBEL_TRY(scaler.scale, node.floats("scale"));
    CORBEL_CHECK(widen(row, scaler.offset.size()));
    CORBEL_CHECK(widen(row, scaler.scale.size()));
    return append(node, std::move(row), {std::move(scaler), Precision::float32});
  }

  Result<void> normalizer(const Node& node) {
    CORBEL_TRY(const std::string norm, node.text("norm", "MAX"));
    if (norm != "MAX" && norm != "L1" && norm != "L2") {
      return unprocessable(fmt::format("norm: must be MAX, L1 or L2, got \"{:.40}\"", norm));
    }
    if (const Value* value = valueOf(node.inputs[0]);
        value && std::holds_alternative<Scores>(*value)) {
      if (norm != "L1") return notTabular("scores are normalized by another norm than L1");
      return set(node.outputs[0], normalized(std::get<Scores>(*value)));
    }
    CORBEL_TRY(Row row, floatRow(node));
    const Normalizer step{norm == "MAX"  ? Normalizer::Norm::max
                          : norm == "L1" ? Normalizer::Norm::l1
                                         : Normalizer::Norm::l2};
    return append(node, std::move(row), {step, Precision::float32});
  }

  // Probabilities of softmax and complements sum to 1 already, but the division rounds, so it
  // stays.
  static Scores normalized(Scores scores) {
    if (scores.finish == Finish::none) scores.finish = Finish::normalizeL1;
    return scores;
  }

  Result<void> imputer(const Node& node) {
    CORBEL_TRY(Row row, input<Row>(node, 0, "a row"));
    Imputer imputer;
    CORBEL_TRY(imputer.values, node.floats("imputed_value_floats"));
    CORBEL_TRY(imputer.missing, node.real("replaced_value_float", 0));
    if (imputer.values.empty()) return notTabular("no imputed_value_floats");
    CORBEL_CHECK(widen(row, imputer.values.size()));
    const Precision precision = row.precision;
    return append(node, std::move(row), {std::move(imputer), precision});
  }

  Result<void> concat(const Node& node) {
    CORBEL_TRY(const std::int64_t axis, node.integer("axis", 1));
    if (axis != 1 && axis != -1) return notTabular("joins rows, not columns");
    Row joined;
    std::vector<std::size_t> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      CORBEL_TRY(const Row row, input<Row>(node, i, "a row"));
      if (!row.transforms.empty() || row.width == 0) {
        return notTabular("joins columns after transforming them");
      }
      if (i == 0) joined = Row{nullptr, {}, row.precision, row.narrowed, 0};
      if (row.precision != joined.precision || row.narrowed != joined.narrowed) {
        return notTabular("joins columns of several types");
      }
      inputs.insert(inputs.end(), row.inputs->begin(), row.inputs->end());
      joined.width += row.width;
      if (joined.width > kMaxFeatures) return unprocessable("joins too many columns");
    }
    joined.inputs = std::make_shared<const std::vector<std::size_t>>(std::move(inputs));
    return set(node.outputs[0], std::move(joined));
  }

  Result<void> identity(const Node& node) {
    const Value* value = valueOf(node.inputs[0]);
    if (value == nullptr) return notTabular("its input is not known");
    return set(node.outputs[0], Value(*value));
  }

  Result<void> cast(const Node& node) {
    const Value* value = valueOf(node.inputs[0]);
    if (value == nullptr) return notTabular("its input is not known");
    if (!std::holds_alternative<Row>(*value)) return set(node.outputs[0], Value(*value));
    Row row = std::get<Row>(*value);
    CORBEL_TRY(const std::int64_t type, node.integer("to", 0));
    if (type == kFloat) {
      row.narrowed = row.narrowed || row.precision == Precision::float64;
      row.precision = Precision::float32;
    } else if (type == kDouble && !row.narrowed) {
      row.precision = Precision::float64;
    } else {
      return notTabular(fmt::format("to type {}", type));
    }
    return set(node.outputs[0], std::move(row));
  }

  // Add, Sub, Mul and Div with a constant on rows, the intercept of a MatMul, or scores /
  // sum(|scores|).
  Result<void> arithmetic(const Node& node) {
    const Value* first = valueOf(node.inputs[0]);
    if (node.type == "Div" && first != nullptr && std::holds_alternative<Scores>(*first)) {
      return divideByNorm(node);
    }
    const Tensor* tensor = constant(node, 1);
    if (first == nullptr || tensor == nullptr) return notTabular("not of a value and a constant");
    CORBEL_TRY(std::vector<double> values, tensor->reals());
    for (std::size_t i = 0; i + 1 < tensor->dims.size(); ++i) {
      if (tensor->dims[i] != 1) return notTabular("a constant that is no row");
    }
    if (std::holds_alternative<Scores>(*first)) {
      return addIntercepts(node, std::get<Scores>(*first), values);
    }
    CORBEL_TRY(Row row, input<Row>(node, 0, "a row"));
    CORBEL_CHECK(widen(row, values.size()));
    using Operation = Arithmetic::Operation;
    const Operation operation = node.type == "Add"   ? Operation::add
                                : node.type == "Sub" ? Operation::subtract
                                : node.type == "Mul" ? Operation::multiply
                                                     : Operation::divide;
    const Precision precision = row.precision;
    return append(node, std::move(row), {Arithmetic{operation, std::move(values)}, precision});
  }

  // ---- predictors

  Result<void> predictor(const Node& node) {
    CORBEL_TRY(Row row, input<Row>(node, 0, "a row"));
    const bool linear = node.type.starts_with("Linear");
    CORBEL_TRY(Predictor predictor,
               linear ? readLinear(node, row.width)
                      : readTreeEnsemble(node, row.precision, row.width, allowance_));
    const Link link = std::visit([](const auto& model) { return model.link; }, predictor.model);
    const bool classifier = node.type.ends_with("Classifier");
    Scores scores{std::move(row), nullptr, link, predictor.finish};
    const auto labels = std::make_shared<const ClassLabels>(predictor.labels);
    scores.predictor = std::make_shared<const Predictor>(std::move(predictor));
    if (!classifier) return set(node.outputs[0], std::move(scores));
    CORBEL_CHECK(set(node.outputs[0], Label{scores, labels}));
    if (node.outputs.size() < 2) return {};
    return set(node.outputs[1], std::move(scores));
  }

  Result<void> matMul(const Node& node) {
    CORBEL_TRY(Row row, input<Row>(node, 0, "a row"));
    const Tensor* tensor = constant(node, 1);
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
    CORBEL_CHECK(allowance_.claim(matrix.size(), sizeof(double), "the coefficients"));
    for (std::size_t column = 0; column < columns; ++column) {
      for (std::size_t i = 0; i < rows; ++i)
        model.coefficients.push_back(matrix[i * columns + column]);
    }
    model.intercepts.resize(columns);
    return set(node.outputs[0],
               Scores{std::move(row),
                      std::make_shared<const Predictor>(Predictor{std::move(model), {}, {}}),
                      Link::identity, Finish::none});
  }

  Result<void> addIntercepts(const Node& node, Scores scores, const std::vector<double>& values) {
    const auto* model = std::get_if<LinearModel>(&scores.predictor->model);
    if (node.type != "Add" || model == nullptr || scores.link != Link::identity) {
      return notTabular("arithmetic on scores");
    }
    if (values.size() != 1 && values.size() != model->outputs) {
      return unprocessable(fmt::format("{} values for {} scores", values.size(), model->outputs));
    }
    CORBEL_CHECK(allowance_.claim(model->coefficients.size(), sizeof(double), "the coefficients"));
    Predictor changed = *scores.predictor;
    auto& intercepts = std::get<LinearModel>(changed.model).intercepts;
    for (std::size_t i = 0; i < intercepts.size(); ++i) {
      intercepts[i] += values[values.size() == 1 ? 0 : i];
    }
    scores.predictor = std::make_shared<const Predictor>(std::move(changed));
    return set(node.outputs[0], std::move(scores));
  }

  // ---- scores

  Result<void> link(const Node& node) {
    CORBEL_TRY(Scores scores, input<Scores>(node, 0, "a score"));
    if (scores.link != Link::identity || scores.finish != Finish::none) {
      return notTabular("a second link");
    }
    CORBEL_TRY(const std::int64_t axis, node.integer("axis", -1));
    if (node.type == "Softmax" && axis != -1 && axis != 1) return notTabular("not along a row");
    scores.link = node.type == "Sigmoid" ? Link::sigmoid
                  : node.type == "Exp"   ? Link::exponential
                                         : Link::softmax;
    return set(node.outputs[0], std::move(scores));
  }

  Result<void> absolute(const Node& node) {
    CORBEL_TRY(Scores scores, input<Scores>(node, 0, "a score"));
    return set(node.outputs[0], Norm{std::move(scores), false});
  }

  Result<void> sum(const Node& node) {
    CORBEL_TRY(Norm norm, input<Norm>(node, 0, "an absolute value"));
    norm.summed = true;
    return set(node.outputs[0], std::move(norm));
  }

  Result<void> divideByNorm(const Node& node) {
    CORBEL_TRY(const Scores scores, input<Scores>(node, 0, "a score"));
    CORBEL_TRY(const Norm norm, input<Norm>(node, 1, "the norm of the scores"));
    if (!norm.summed || norm.scores.predictor != scores.predictor ||
        norm.scores.link != scores.link) {
      return notTabular("scores are divided by something else than their sum");
    }
    return set(node.outputs[0], normalized(scores));
  }

  Result<void> reshape(const Node& node) {
    const Value* value = valueOf(node.inputs[0]);
    const Tensor* shape = constant(node, 1);
    if (value == nullptr || shape == nullptr) return notTabular("not of scores or labels");
    if (const auto* scores = std::get_if<Scores>(value)) {
      CORBEL_TRY(const auto dims, shape->integers());
      const std::uint32_t width =
          std::visit([](const auto& model) { return model.outputs; }, scores->predictor->model);
      const bool same = !dims.empty() && dims[0] == -1 &&
                        (dims.size() == 1 ? width == 1 : dims.size() == 2 && dims[1] == width);
      if (!same) return notTabular("scores into another shape");
      return set(node.outputs[0], *scores);
    }
    if (!std::holds_alternative<Label>(*value)) return notTabular("not of scores or labels");
    return set(node.outputs[0], Value(*value));
  }

  // ---- labels

  Result<void> argMax(const Node& node) {
    CORBEL_TRY(Scores scores, input<Scores>(node, 0, "a score"));
    CORBEL_TRY(const std::int64_t axis, node.integer("axis", 0));
    if (axis != 1 && axis != -1) return notTabular("not along a row");
    return set(node.outputs[0], Label{std::move(scores), nullptr});
  }

  // Picks names of labels, or one score of several.
  Result<void> pick(const Node& node) {
    if (const Tensor* names = constant(node, 0)) {
      CORBEL_TRY(Label label, input<Label>(node, 1, "a label"));
      CORBEL_TRY(ClassLabels labels, names->labels());
      label.labels = std::make_shared<const ClassLabels>(std::move(labels));
      return set(node.outputs[0], std::move(label));
    }
    CORBEL_TRY(Scores scores, input<Scores>(node, 0, "a score"));
    const Tensor* tensor = constant(node, 1);
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
    return set(node.outputs[0], std::move(scores));
  }

  // A map from label to score: the scores, with the names.
  Result<void> zipMap(const Node& node) {
    CORBEL_TRY(Scores scores, input<Scores>(node, 0, "a score"));
    CORBEL_TRY(zipLabels_, labelsOf(node, "classlabels_int64s", "classlabels_strings"));
    return set(node.outputs[0], std::move(scores));
  }

  // ---- the whole

  Result<TabularModel> assemble() const {
    const Scores* scores = nullptr;
    const Label* label = nullptr;
    for (const std::string_view name : graph_.outputs) {
      const Value* value = valueOf(name);
      if (value == nullptr) return unprocessable(fmt::format("output {} is nowhere made", name));
      if (const auto* found = std::get_if<Scores>(value)) {
        if (std::exchange(scores, found) != nullptr)
          return notTabular("the graph has several outputs of scores");
      } else if (const auto* other = std::get_if<Label>(value)) {
        label = other;
      } else {
        return notTabular(fmt::format("output {} is neither a label nor a score", name));
      }
    }
    if (scores == nullptr && label != nullptr) scores = &label->scores;
    if (scores == nullptr) return unprocessable("the graph has no outputs");
    return assemble(*scores, label);
  }

  Result<TabularModel> assemble(const Scores& scores, const Label* label) const {
    TabularModel model;
    model.finish = scores.finish;
    model.predictor = scores.predictor->model;
    std::visit([&](auto& predictor) { predictor.link = scores.link; }, model.predictor);
    model.classLabels = scores.predictor->labels;
    if (label != nullptr && label->labels != nullptr && size(*label->labels) != 0) {
      model.classLabels = *label->labels;
    }
    if (size(model.classLabels) == 0) model.classLabels = zipLabels_;
    const bool classifier = label != nullptr || size(model.classLabels) != 0;
    model.task = classifier ? Task::classifier : Task::regressor;
    for (const auto& transform : scores.row.transforms) model.transforms.push_back(*transform);
    CORBEL_CHECK(nameColumns(scores.row, model));
    CORBEL_CHECK(validate(model));
    return model;
  }

  Result<void> nameColumns(const Row& row, TabularModel& model) const {
    const std::vector<std::size_t>& inputs = *row.inputs;
    bool named = graph_.inputs.size() > 1;
    bool inOrder = inputs.size() == graph_.inputs.size();
    model.input = Precision::float32;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Input& input = graph_.inputs[inputs[i]];
      if (input.type != kFloat) model.input = Precision::float64;
      named = named && input.dims[1] == 1;
      inOrder = inOrder && inputs[i] == i;
    }
    if (!named && !inOrder) return notTabular("columns come in another order than the inputs");
    for (std::size_t i = 0; named && i < inputs.size(); ++i) {
      model.featureNames.emplace_back(graph_.inputs[inputs[i]].name);
    }
    return {};
  }

  Graph graph_;
  Allowance allowance_;
  std::map<std::string_view, Value, std::less<>> values_;
  ClassLabels zipLabels_;
};

}  // namespace
}  // namespace onnx

Result<OnnxReading> readOnnx(std::span<const std::byte> file) {
  auto graph = onnx::readGraph(file);
  Result<TabularModel> model =
      graph ? onnx::Interpreter(std::move(*graph), file.size()).run()
            : Result<TabularModel>(std::unexpected(std::move(graph).error()));
  if (model) return OnnxReading{std::move(*model), {}};
  if (onnx::isNotTabular(model.error())) return OnnxReading{std::nullopt, model.error().message};
  return std::unexpected(std::move(model).error());
}

}  // namespace corbel::inference
