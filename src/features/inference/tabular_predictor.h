// The forest or linear model of a tabular engine in the form that computes. Private to the module.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/compiled_forest.h"
#include "inference/link.h"
#include "inference/tabular_model.h"

namespace corbel::inference {

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
  std::size_t stepsOfARow() const { return coefficients_.size(); }

 private:
  std::size_t features_;
  std::size_t outputs_;
  std::vector<Number> coefficients_;
  std::vector<Number> intercepts_;
  Link link_;
  bool missingIsZero_;
};

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
  std::size_t stepsOfARow() const {
    return forest_ ? forest_->stepsOfARow() : linear_->stepsOfARow();
  }

 private:
  std::optional<CompiledForest> forest_;
  std::optional<LinearEvaluator<Number>> linear_;
};

// What the plain form, which explanations read, takes of memory.
inline std::size_t bytesOf(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += sizeof text + text.capacity();
  return bytes;
}

inline std::size_t bytesOf(const Forest& forest) {
  std::size_t bytes = (forest.leafValues.size() + forest.baseScores.size()) * sizeof(double);
  for (const Tree& tree : forest.trees) bytes += sizeof tree + tree.nodes.size() * sizeof(Node);
  for (const CategorySet& set : forest.categories)
    bytes += sizeof set + set.size() * sizeof(std::uint32_t);
  return bytes;
}

inline std::size_t bytesOf(const LinearModel& linear) {
  return (linear.coefficients.size() + linear.intercepts.size()) * sizeof(double);
}

}  // namespace corbel::inference
