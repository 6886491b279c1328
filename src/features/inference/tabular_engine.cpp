#include "inference/tabular_engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "inference/tabular_predictor.h"
#include "inference/transforms.h"
#include "inference/tree_shap.h"
#include "time_limit.h"

namespace corbel::inference {
namespace {

// A step takes about a nanosecond.
constexpr std::size_t kQuickSteps = 100'000;
constexpr std::size_t kStepsBetweenChecks = 20'000'000;
// The forest's kernel for many rows takes as long for one as for so many.
constexpr std::size_t kBlockRowsMin = 64;

bool holdsRows(std::size_t values, std::int64_t rows, std::size_t columns) {
  std::size_t expected = 0;
  const bool overflows = __builtin_mul_overflow(rows, columns, &expected);
  return !overflows && rows >= 0 && values == expected && (columns > 0 || rows == 1);
}

// What a row may leave out: forests send NaN one way, XGBoost's linear models skip it, and
// pipelines may begin by filling it in.
bool takesMissing(const TabularModel& model) {
  if (std::holds_alternative<Forest>(model.predictor)) return true;
  if (std::get<LinearModel>(model.predictor).missingIsZero) return true;
  if (model.transforms.empty()) return false;
  const auto* imputer = std::get_if<Imputer>(&model.transforms.front().step);
  return imputer != nullptr && std::isnan(imputer->missing);
}

std::vector<std::string> labelTexts(const ClassLabels& labels) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&labels)) return *texts;
  std::vector<std::string> texts;
  for (const std::int64_t label : std::get<std::vector<std::int64_t>>(labels))
    texts.push_back(std::to_string(label));
  return texts;
}

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

  TabularEngine(TabularModel model, AnyPredictor predictor, std::string format, const Clock& clock)
      : model_(std::move(model)), predictor_(std::move(predictor)), clock_(clock) {
    describe(std::move(format));
    rowSteps_ = stepsOfARow();
    blockRows_ = std::max(kStepsBetweenChecks / rowSteps_, kBlockRowsMin);
    ownBytes_ = bytesAtStart();
  }

  const Signature& signature() const override { return signature_; }
  Result<Tensors> run(const Tensors& inputs, Deadline deadline) const override;
  Result<Explanation> explain(const Tensors& inputs, std::size_t output,
                              Deadline deadline) const override;
  std::size_t memoryBytes() const override {
    return ownBytes_ + shapBytes_.load(std::memory_order_relaxed);
  }
  bool isQuick() const override { return rowSteps_ <= kQuickSteps; }

 private:
  void describe(std::string format);
  Result<const std::vector<Number>*> check(const Tensors& inputs) const;
  void transform(std::span<Number> row) const;
  // Results after link and finish: [rows x outputs], appended.
  void evaluate(std::span<const Number> values, std::size_t rows, std::vector<Number>& out) const;
  // Raw outputs after the link: [rows x rawOutputs].
  std::vector<Number> predict(const Number* rows, std::size_t count) const;
  void finish(const Number* raw, Number* out) const;
  Tensors scoreAndLabel(std::vector<Number> scores, std::int64_t rows) const;
  Result<const TreeShap*> treeShap() const;
  Result<std::vector<double>> explainRow(const TreeShap& shap, const std::vector<Number>& row,
                                         std::size_t output, const TimeLimit& limit) const;
  Explanation explainLinear(const LinearModel& linear, std::span<const Number> row,
                            std::size_t output) const;
  Result<Explanation> explainForest(const std::vector<Number>& row, std::size_t output,
                                    Deadline deadline) const;
  bool isOneSumForTwoClasses() const;
  void turnToFirstClass(Explanation& explanation) const;
  std::size_t rawOutputs() const;
  std::size_t stepsOfARow() const;
  std::size_t bytesAtStart() const;
  std::size_t width() const { return features(model_); }

  TabularModel model_;
  AnyPredictor predictor_;
  const Clock& clock_;
  Signature signature_;
  std::size_t rowSteps_ = 0;
  std::size_t blockRows_ = 0;  // evaluated between two looks at the clock
  std::size_t ownBytes_ = 0;
  mutable std::atomic<std::size_t> shapBytes_ = 0;
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
  signature_.acceptsMissing = takesMissing(model_);
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
  if (fits && holdsRows(values->size(), inputs[0].shape[0], width())) return values;
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
void TabularEngine<Number>::evaluate(std::span<const Number> values, std::size_t rows,
                                     std::vector<Number>& out) const {
  std::vector<Number> transformed;
  const Number* from = values.data();
  const bool rounds = model_.input == Precision::float32 && std::is_same_v<Number, double>;
  if (rounds || !model_.transforms.empty()) {
    transformed.assign(values.begin(), values.end());
    for (std::size_t r = 0; r < rows; ++r)
      transform(std::span(transformed).subspan(r * width(), width()));
    from = transformed.data();
  }
  auto raw = predict(from, rows);
  if (model_.finish == Finish::none) {
    if (out.empty()) {
      out = std::move(raw);
    } else {
      out.insert(out.end(), raw.begin(), raw.end());
    }
    return;
  }
  const std::size_t count = outputs(model_);
  const std::size_t first = out.size();
  out.resize(first + rows * count);
  for (std::size_t r = 0; r < rows; ++r) finish(&raw[r * rawOutputs()], &out[first + r * count]);
}

template <class Number>
Tensors TabularEngine<Number>::scoreAndLabel(std::vector<Number> scores, std::int64_t rows) const {
  std::vector<std::string> labels;
  labels.reserve(scores.size());
  for (const Number score : scores) {
    labels.push_back(
        signature_.classLabels[score > static_cast<Number>(model_.decisionThreshold) ? 1 : 0]);
  }
  return {Tensor{{rows}, std::move(labels)}, Tensor{{rows, 1}, std::move(scores)}};
}

template <class Number>
Result<Tensors> TabularEngine<Number>::run(const Tensors& inputs, Deadline deadline) const {
  CORBEL_TRY(const auto* values, check(inputs));
  const auto rows = static_cast<std::size_t>(inputs[0].shape[0]);
  const TimeLimit limit(deadline, clock_);
  std::vector<Number> results;
  for (std::size_t first = 0; first < rows; first += blockRows_) {
    const std::size_t count = std::min(blockRows_, rows - first);
    if (count < rows) {  // one block costs less than others would gain
      CORBEL_CHECK(limit.check());
      results.reserve(rows * outputs(model_));
    }
    evaluate(std::span(*values).subspan(first * width(), count * width()), count, results);
  }
  const auto shape = inputs[0].shape[0];
  if (signature_.labels >= 0) return scoreAndLabel(std::move(results), shape);
  return Tensors{Tensor{{shape, static_cast<std::int64_t>(outputs(model_))}, std::move(results)}};
}

template <class Number>
Explanation TabularEngine<Number>::explainLinear(const LinearModel& linear,
                                                 std::span<const Number> row,
                                                 std::size_t output) const {
  Explanation explanation{.method = "linear",
                          .contributions = std::vector<double>(row.size()),
                          .base = linear.intercepts[output]};
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (linear.missingIsZero && std::isnan(row[c])) continue;
    explanation.contributions[c] =
        static_cast<double>(row[c]) * linear.coefficients[output * row.size() + c];
  }
  return explanation;
}

template <class Number>
bool TabularEngine<Number>::isOneSumForTwoClasses() const {
  return model_.task == Task::classifier && rawOutputs() == 1;
}

// One sum for two classes speaks of the second. The first has what that leaves: of a probability
// the rest to 1, of log-odds and scores the negative.
template <class Number>
void TabularEngine<Number>::turnToFirstClass(Explanation& explanation) const {
  const Link link =
      std::visit([](const auto& predictor) { return predictor.link; }, model_.predictor);
  const bool isProbability = link == Link::identity && model_.finish == Finish::complement;
  for (double& value : explanation.contributions) value = -value;
  explanation.base = (isProbability ? 1 : 0) - explanation.base;
}

template <class Number>
Result<Explanation> TabularEngine<Number>::explain(const Tensors& inputs, std::size_t output,
                                                   Deadline deadline) const {
  CORBEL_TRY(const auto* values, check(inputs));
  if (inputs[0].shape[0] < 1) return failField("/input", "must have a row to explain");
  std::vector<Number> row(values->begin(), values->begin() + static_cast<std::ptrdiff_t>(width()));
  transform(row);
  const std::size_t sum = output < rawOutputs() ? output : 0;
  const auto* linear = std::get_if<LinearModel>(&model_.predictor);
  CORBEL_TRY(auto explanation, linear != nullptr ? explainLinear(*linear, row, sum)
                                                 : explainForest(row, sum, deadline));
  if (isOneSumForTwoClasses() && output != 1) turnToFirstClass(explanation);
  return explanation;
}

template <class Number>
Result<Explanation> TabularEngine<Number>::explainForest(const std::vector<Number>& row,
                                                         std::size_t output,
                                                         Deadline deadline) const {
  const TimeLimit limit(deadline, clock_);
  CORBEL_CHECK(limit.check());
  CORBEL_TRY(const auto* shap, treeShap());
  CORBEL_TRY(auto contributions, explainRow(*shap, row, output, limit));
  const double base = contributions.back();
  contributions.pop_back();
  return Explanation{.method = "treeshap", .contributions = std::move(contributions), .base = base};
}

// Prepared when first asked for: most models are never explained.
template <class Number>
Result<const TreeShap*> TabularEngine<Number>::treeShap() const {
  const MutexLock lock(shapMutex_);
  if (!shap_) {
    CORBEL_TRY(auto prepared, TreeShap::prepare(std::get<Forest>(model_.predictor)));
    shap_.emplace(std::move(prepared));
    shapBytes_ = shap_->memoryBytes();
  }
  return &*shap_;
}

template <class Number>
Result<std::vector<double>> TabularEngine<Number>::explainRow(const TreeShap& shap,
                                                              const std::vector<Number>& row,
                                                              std::size_t output,
                                                              const TimeLimit& limit) const {
  if (precisionOf(model_) == Precision::float64) {
    return shap.explain(std::vector<double>(row.begin(), row.end()).data(), output, limit);
  }
  const std::vector<float> floats(row.begin(), row.end());
  return shap.explain(floats.data(), output, limit);
}

template <class Number>
std::size_t TabularEngine<Number>::stepsOfARow() const {
  const std::size_t predictor =
      std::visit([](const auto& any) -> std::size_t { return any.stepsOfARow(); }, predictor_);
  return predictor + width() + rawOutputs();
}

template <class Number>
std::size_t TabularEngine<Number>::bytesAtStart() const {
  std::size_t bytes = sizeof *this + 2 * bytesOf(model_.featureNames);  // the signature's too
  bytes += 2 * bytesOf(signature_.classLabels);
  bytes += std::visit([](const auto& predictor) { return predictor.memoryBytes(); }, predictor_);
  return bytes +
         std::visit([](const auto& predictor) { return bytesOf(predictor); }, model_.predictor);
}

template <class Compute>
Result<std::shared_ptr<const Model>> make(TabularModel model, std::string format,
                                          const Clock& clock) {
  CORBEL_TRY(auto predictor, Predictor<Compute>::make(model));
  if (hasDoubleRows(model)) {
    return std::make_shared<const TabularEngine<double>>(std::move(model), std::move(predictor),
                                                         std::move(format), clock);
  }
  return std::make_shared<const TabularEngine<float>>(std::move(model), std::move(predictor),
                                                      std::move(format), clock);
}

}  // namespace

Result<std::shared_ptr<const Model>> makeTabularEngine(TabularModel model, std::string format,
                                                       const Clock& clock) {
  return precisionOf(model) == Precision::float64
             ? make<double>(std::move(model), std::move(format), clock)
             : make<float>(std::move(model), std::move(format), clock);
}

}  // namespace corbel::inference
