#include "inference/tabular_engine.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "inference/compiled_forest.h"
#include "inference/link.h"
#include "inference/transforms.h"
#include "inference/tree_shap.h"

namespace corbel::inference {
namespace {

template <class Number>
class LinearEvaluator {
 public:
  explicit LinearEvaluator(const LinearModel& model)
      : features_(model.features),
        outputs_(model.outputs),
        coefficients_(model.coefficients.begin(), model.coefficients.end()),
        intercepts_(model.intercepts.begin(), model.intercepts.end()),
        link_(model.link),
        missingIsZero_(model.missingIsZero) {}

  void margins(const Number* row, Number* out) const {
    for (std::size_t o = 0; o < outputs_; ++o) {
      const Number* coefficients = &coefficients_[o * features_];
      Number sum = intercepts_[o];  // first, as XGBoost does: the order decides the last bits
      for (std::size_t f = 0; f < features_; ++f) sum += term(row[f], coefficients[f]);
      out[o] = sum;
    }
  }
  void predict(const Number* rows, std::size_t count, std::size_t stride, Number* out) const {
    for (std::size_t r = 0; r < count; ++r) {
      margins(rows + r * stride, out + r * outputs_);
    }
    applyLink(link_, Number{1}, count, outputs_, out);
  }
  Number term(Number value, Number coefficient) const {
    return missingIsZero_ && std::isnan(value) ? Number{} : value * coefficient;
  }
  std::size_t memoryBytes() const {
    return (coefficients_.size() + intercepts_.size()) * sizeof(Number);
  }

 private:
  std::size_t features_;
  std::size_t outputs_;
  std::vector<Number> coefficients_;
  std::vector<Number> intercepts_;
  Link link_;
  bool missingIsZero_;
};

std::vector<std::string> labelTexts(const ClassLabels& labels) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&labels)) return *texts;
  std::vector<std::string> texts;
  for (const std::int64_t label : std::get<std::vector<std::int64_t>>(labels))
    texts.push_back(std::to_string(label));
  return texts;
}

// The forest or linear model itself, in the precision it computes in.
template <class Number>
class Predictor {
 public:
  static Result<Predictor> make(const TabularModel& model) {
    Predictor predictor;
    if (const auto* linear = std::get_if<LinearModel>(&model.predictor)) {
      predictor.linear_.emplace(*linear);
      return predictor;
    }
    CORBEL_TRY(auto compiled, CompiledForest::compile(std::get<Forest>(model.predictor)));
    predictor.forest_.emplace(std::move(compiled));
    return predictor;
  }
  void predict(const Number* rows, std::size_t count, std::size_t width, Number* out) const {
    return forest_ ? forest_->predict(rows, count, width, out)
                   : linear_->predict(rows, count, width, out);
  }
  const std::optional<LinearEvaluator<Number>>& linear() const { return linear_; }
  std::size_t memoryBytes() const {
    return forest_ ? forest_->memoryBytes() : linear_->memoryBytes();
  }

 private:
  std::optional<CompiledForest> forest_;
  std::optional<LinearEvaluator<Number>> linear_;
};

Precision precisionOf(const TabularModel& model) {
  return std::visit([](const auto& predictor) { return predictor.precision; }, model.predictor);
}

// Rows keep double until the predictor when the file takes doubles or transforms them in double.
bool hasDoubleRows(const TabularModel& model) {
  const auto isDouble = [](const Transform& step) { return step.precision == Precision::float64; };
  return model.input == Precision::float64 || std::ranges::any_of(model.transforms, isDouble);
}

// `Number` is what rows are made of; the predictor computes in its own precision.
template <class Number>
class TabularEngine final : public Model {
 public:
  using AnyPredictor = std::variant<Predictor<float>, Predictor<double>>;

  TabularEngine(TabularModel model, AnyPredictor predictor, std::string format)
      : model_(std::move(model)), predictor_(std::move(predictor)) {
    describe(std::move(format));
  }

  const Signature& signature() const override { return signature_; }
  Result<Tensors> run(const Tensors& inputs, Deadline deadline) const override;
  Result<Explanation> explain(const Tensors& inputs, Deadline deadline) const override;
  std::size_t memoryBytes() const override;
  bool isQuick() const override;

 private:
  void describe(std::string format);
  Result<const std::vector<Number>*> check(const Tensors& inputs) const;
  void transform(std::span<Number> row) const;
  // Results after link and finish: [rows x outputs].
  std::vector<Number> evaluate(const std::vector<Number>& values, std::size_t rows) const;
  // Raw outputs after the link: [rows x rawOutputs].
  std::vector<Number> predict(const Number* rows, std::size_t count) const;
  void finish(const Number* raw, Number* out) const;
  Tensors scoreAndLabel(std::vector<Number> scores, std::int64_t rows) const;
  Result<const TreeShap*> treeShap() const;
  std::vector<double> explainRow(const TreeShap& shap, const std::vector<Number>& row) const;
  void explainLinear(const LinearModel& linear, std::span<const Number> row,
                     Explanation& explanation) const;
  void addFirstClass(Explanation& explanation) const;
  std::size_t rawOutputs() const;
  std::size_t width() const { return features(model_); }

  TabularModel model_;
  AnyPredictor predictor_;
  Signature signature_;
  mutable Mutex shapMutex_;
  mutable std::optional<TreeShap> shap_ CORBEL_GUARDED_BY(shapMutex_);
};

template <class Number>
void TabularEngine<Number>::describe(std::string format) {
  const bool isForest = std::holds_alternative<Forest>(model_.predictor);
  const DataType type = std::is_same_v<Number, double> ? DataType::float64 : DataType::float32;
  const auto count = static_cast<std::int64_t>(outputs(model_));
  signature_.engine = isForest ? "forest" : "linear";
  signature_.format = std::move(format);
  signature_.inputs = {{"input", type, {-1, static_cast<std::int64_t>(width())}}};
  signature_.featureNames = model_.featureNames;
  signature_.acceptsMissing = isForest;
  if (model_.task == Task::regressor) {
    signature_.task = ModelTask::regression;
    signature_.outputs = {{"prediction", type, {-1, count}}};
    return;
  }
  signature_.task = ModelTask::classification;
  signature_.classLabels = labelTexts(model_.classLabels);
  signature_.integerLabels = !std::holds_alternative<std::vector<std::string>>(model_.classLabels);
  if (signature_.classLabels.empty()) {
    for (std::int64_t c = 0; c < std::max<std::int64_t>(count, 2); ++c)
      signature_.classLabels.push_back(std::to_string(c));
  }
  if (count == static_cast<std::int64_t>(signature_.classLabels.size())) {
    signature_.outputs = {{"probabilities", type, {-1, count}}};
    signature_.probabilities = 0;
  } else {
    signature_.outputs = {{"label", DataType::text, {-1}}, {"score", type, {-1, count}}};
    signature_.labels = 0;
  }
}

template <class Number>
Result<const std::vector<Number>*> TabularEngine<Number>::check(const Tensors& inputs) const {
  const auto columns = static_cast<std::int64_t>(width());
  const auto* values =
      inputs.size() == 1 ? std::get_if<std::vector<Number>>(&inputs[0].values) : nullptr;
  const bool fits =
      values != nullptr && inputs[0].shape.size() == 2 && inputs[0].shape[1] == columns;
  if (fits) return values;
  return failField("/input", "must be one " + std::string(name(signature_.inputs[0].type)) +
                                 " tensor of shape [rows, " + std::to_string(columns) + "]");
}

// A file that takes float must not see more digits, even where later steps compute in double.
template <class Number>
void TabularEngine<Number>::transform(std::span<Number> row) const {
  if (model_.input == Precision::float32) {
    for (Number& value : row) value = static_cast<Number>(static_cast<float>(value));
  }
  applyTransforms(std::span<const Transform>(model_.transforms), row);
}

template <class Number>
std::size_t TabularEngine<Number>::rawOutputs() const {
  return std::visit([](const auto& predictor) -> std::size_t { return predictor.outputs; },
                    model_.predictor);
}

template <class Number>
void TabularEngine<Number>::finish(const Number* raw, Number* out) const {
  const std::size_t count = rawOutputs();
  if (model_.finish == Finish::complement) {
    out[0] = 1 - raw[0];
    out[1] = raw[0];
    return;
  }
  std::copy(raw, raw + count, out);
  if (model_.finish != Finish::normalizeL1) return;
  Number sum = 0;
  for (std::size_t o = 0; o < count; ++o) sum += std::abs(out[o]);
  if (sum == 0) return;
  for (std::size_t o = 0; o < count; ++o) out[o] /= sum;
}

template <class Number>
std::vector<Number> TabularEngine<Number>::predict(const Number* rows, std::size_t count) const {
  return std::visit(
      [&]<class Compute>(const Predictor<Compute>& predictor) {
        if constexpr (std::is_same_v<Compute, Number>) {
          std::vector<Number> raw(count * rawOutputs());
          predictor.predict(rows, count, width(), raw.data());
          return raw;
        } else {
          const std::vector<Compute> converted(rows, rows + count * width());
          std::vector<Compute> raw(count * rawOutputs());
          predictor.predict(converted.data(), count, width(), raw.data());
          return std::vector<Number>(raw.begin(), raw.end());
        }
      },
      predictor_);
}

template <class Number>
std::vector<Number> TabularEngine<Number>::evaluate(const std::vector<Number>& values,
                                                    std::size_t rows) const {
  std::vector<Number> transformed;
  const Number* from = values.data();
  const bool rounds = model_.input == Precision::float32 && std::is_same_v<Number, double>;
  if (rounds || !model_.transforms.empty()) {
    transformed = values;
    for (std::size_t r = 0; r < rows; ++r)
      transform(std::span(transformed).subspan(r * width(), width()));
    from = transformed.data();
  }
  auto raw = predict(from, rows);
  if (model_.finish == Finish::none) return raw;
  const std::size_t count = outputs(model_);
  std::vector<Number> finished(rows * count);
  for (std::size_t r = 0; r < rows; ++r) finish(&raw[r * rawOutputs()], &finished[r * count]);
  return finished;
}

template <class Number>
Tensors TabularEngine<Number>::scoreAndLabel(std::vector<Number> scores, std::int64_t rows) const {
  std::vector<std::string> labels;
  for (const Number score : scores) {
    labels.push_back(
        signature_.classLabels[score > static_cast<Number>(model_.decisionThreshold) ? 1 : 0]);
  }
  return {Tensor{{rows}, std::move(labels)}, Tensor{{rows, 1}, std::move(scores)}};
}

template <class Number>
Result<Tensors> TabularEngine<Number>::run(const Tensors& inputs, Deadline) const {
  CORBEL_TRY(const auto* values, check(inputs));
  const std::int64_t rows = inputs[0].shape[0];
  auto results = evaluate(*values, static_cast<std::size_t>(rows));
  if (signature_.labels >= 0) return scoreAndLabel(std::move(results), rows);
  return Tensors{Tensor{{rows, static_cast<std::int64_t>(outputs(model_))}, std::move(results)}};
}

template <class Number>
void TabularEngine<Number>::explainLinear(const LinearModel& linear, std::span<const Number> row,
                                          Explanation& explanation) const {
  explanation.method = "linear";
  for (std::size_t o = 0; o < linear.outputs; ++o) {
    explanation.base[o] = linear.intercepts[o];
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool skipped = linear.missingIsZero && std::isnan(row[c]);
      explanation.contributions[o * row.size() + c] =
          skipped ? 0 : static_cast<double>(row[c]) * linear.coefficients[o * row.size() + c];
    }
  }
}

// One sum for two classes speaks of the second. The first has what that leaves: of a probability
// the rest to 1, of log-odds and scores the negative.
template <class Number>
void TabularEngine<Number>::addFirstClass(Explanation& explanation) const {
  if (model_.task != Task::classifier || explanation.base.size() != 1) return;
  const Link link =
      std::visit([](const auto& predictor) { return predictor.link; }, model_.predictor);
  const bool isProbability = link == Link::identity && model_.finish == Finish::complement;
  std::vector<double> first = explanation.contributions;
  for (double& value : first) value = -value;
  explanation.contributions.insert(explanation.contributions.begin(), first.begin(), first.end());
  explanation.base.insert(explanation.base.begin(),
                          (isProbability ? 1 : 0) - explanation.base.front());
}

template <class Number>
Result<Explanation> TabularEngine<Number>::explain(const Tensors& inputs, Deadline) const {
  CORBEL_TRY(const auto* values, check(inputs));
  const std::size_t columns = width();
  std::vector<Number> row(values->begin(), values->begin() + static_cast<std::ptrdiff_t>(columns));
  transform(row);
  Explanation explanation{
      .method = "treeshap", .columns = columns, .contributions = {}, .base = {}};
  explanation.contributions.resize(rawOutputs() * columns);
  explanation.base.resize(rawOutputs());
  if (const auto* linear = std::get_if<LinearModel>(&model_.predictor)) {
    explainLinear(*linear, row, explanation);
    addFirstClass(explanation);
    return explanation;
  }
  CORBEL_TRY(const auto* shap, treeShap());
  const auto contributions = explainRow(*shap, row);
  for (std::size_t o = 0; o < rawOutputs(); ++o) {
    const auto* from = &contributions[o * (columns + 1)];
    std::copy(from, from + columns, &explanation.contributions[o * columns]);
    explanation.base[o] = from[columns];
  }
  addFirstClass(explanation);
  return explanation;
}

// Prepared when first asked for: most models are never explained.
template <class Number>
Result<const TreeShap*> TabularEngine<Number>::treeShap() const {
  const MutexLock lock(shapMutex_);
  if (!shap_) {
    CORBEL_TRY(auto prepared, TreeShap::prepare(std::get<Forest>(model_.predictor)));
    shap_.emplace(std::move(prepared));
  }
  return &*shap_;
}

template <class Number>
std::vector<double> TabularEngine<Number>::explainRow(const TreeShap& shap,
                                                      const std::vector<Number>& row) const {
  if (precisionOf(model_) == Precision::float64)
    return shap.explain(std::vector<double>(row.begin(), row.end()).data());
  const std::vector<float> floats(row.begin(), row.end());
  return shap.explain(floats.data());
}

// A tree costs some ten nanoseconds, a column a few more for each output.
template <class Number>
bool TabularEngine<Number>::isQuick() const {
  constexpr std::size_t kQuickTrees = 5'000;
  constexpr std::size_t kQuickProducts = 100'000;
  const auto* forest = std::get_if<Forest>(&model_.predictor);
  const bool smallForest = forest == nullptr || forest->trees.size() <= kQuickTrees;
  return smallForest && width() * rawOutputs() <= kQuickProducts;
}

template <class Number>
std::size_t TabularEngine<Number>::memoryBytes() const {
  std::size_t bytes = sizeof *this;
  bytes += std::visit([](const auto& predictor) { return predictor.memoryBytes(); }, predictor_);
  if (const auto* forest = std::get_if<Forest>(&model_.predictor)) {
    for (const Tree& tree : forest->trees) bytes += tree.nodes.size() * sizeof(Node);
    bytes += forest->leafValues.size() * sizeof(double);
  }
  return bytes;
}

template <class Compute>
Result<std::shared_ptr<const Model>> make(TabularModel model, std::string format) {
  CORBEL_TRY(auto predictor, Predictor<Compute>::make(model));
  if (hasDoubleRows(model)) {
    return std::make_shared<const TabularEngine<double>>(std::move(model), std::move(predictor),
                                                         std::move(format));
  }
  return std::make_shared<const TabularEngine<float>>(std::move(model), std::move(predictor),
                                                      std::move(format));
}

}  // namespace

Result<std::shared_ptr<const Model>> makeTabularEngine(TabularModel model, std::string format) {
  return precisionOf(model) == Precision::float64
             ? make<double>(std::move(model), std::move(format))
             : make<float>(std::move(model), std::move(format));
}

}  // namespace corbel::inference
