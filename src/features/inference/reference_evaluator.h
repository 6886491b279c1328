// The plain meaning of a TabularModel, for tests: one row, one node after the other, in the
// trainer's arithmetic. Slow and obviously right; fast evaluators are compared with it.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "inference/tabular_model.h"

namespace corbel::inference::reference {

// XGBoost (float) takes negative values for no category; LightGBM (double) truncates first.
template <class Real>
bool contains(const CategorySet& set, Real x) {
  const Real lowest = std::is_same_v<Real, float> ? 0 : std::nextafter(Real(-1), Real(0));
  if (!(x >= lowest) || x >= static_cast<Real>(32.0 * static_cast<double>(set.size())))
    return false;
  const auto category = static_cast<std::size_t>(std::max<Real>(x, 0));
  return (set[category / 32] >> (category % 32) & 1) != 0;
}

template <class Real>
bool goesLeft(const Forest& forest, const Node& node, Real x) {
  if (node.zeroIsMissing && std::abs(x) <= static_cast<Real>(1e-35F)) return node.missingLeft;
  if (std::isnan(x)) return node.missingLeft;
  const Real threshold = static_cast<Real>(node.threshold);
  switch (node.split) {
    case Split::less:
      return x < threshold;
    case Split::lessOrEqual:
      return x <= threshold;
    case Split::greater:
      return x > threshold;
    case Split::greaterOrEqual:
      return x >= threshold;
    case Split::equal:
      return x == threshold;
    case Split::notEqual:
      return x != threshold;
    case Split::category:
      return contains(forest.categories[node.value], x);
  }
  return false;
}

template <class Real>
const Node& leafOf(const Forest& forest, const Tree& tree, std::span<const Real> row) {
  std::int32_t index = 0;
  while (!tree.nodes[index].isLeaf()) {
    const Node& node = tree.nodes[index];
    index = goesLeft(forest, node, row[node.feature]) ? node.left : node.right;
  }
  return tree.nodes[index];
}

// XGBoost starts from the base score and adds tree after tree; averages get the base score last, as
// in ONNX.
template <class Real>
std::vector<Real> margins(const Forest& forest, std::span<const Real> row) {
  std::vector<Real> sums(forest.outputs, 0);
  std::vector<std::size_t> counts(forest.outputs, 0);
  if (!forest.average) std::ranges::copy(forest.baseScores, sums.begin());
  for (const Tree& tree : forest.trees) {
    const std::size_t value = leafOf(forest, tree, row).value;
    const std::uint32_t first = forest.vectorLeaves ? 0 : tree.output;
    const std::uint32_t width = forest.vectorLeaves ? forest.outputs : 1;
    for (std::uint32_t i = 0; i < width; ++i) {
      sums[first + i] +=
          static_cast<Real>(forest.leafValues[value + i]) * static_cast<Real>(tree.weight);
      ++counts[first + i];
    }
  }
  for (std::size_t i = 0; forest.average && i < sums.size(); ++i) {
    if (counts[i] != 0) sums[i] /= static_cast<Real>(counts[i]);
    sums[i] += static_cast<Real>(forest.baseScores[i]);
  }
  return sums;
}

template <class Real>
std::vector<Real> margins(const LinearModel& model, std::span<const Real> row) {
  std::vector<Real> sums;
  for (std::size_t output = 0; output < model.outputs; ++output) {
    Real sum = static_cast<Real>(model.intercepts[output]);
    for (std::size_t i = 0; i < model.features; ++i) {
      if (model.missingIsZero && std::isnan(row[i])) continue;
      sum += row[i] * static_cast<Real>(model.coefficients[output * model.features + i]);
    }
    sums.push_back(sum);
  }
  return sums;
}

// XGBoost's Sigmoid(float) bounds the exponent so that exp stays finite.
inline float sigmoid(float x) { return 1.0F / (std::exp(std::min(-x, 88.7F)) + 1.0F); }
inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// The approximation that ONNX Runtime uses (ml_common.h, ErfInv).
inline double inverseErf(double x) {
  const double sign = x < 0 ? -1 : 1;
  const double logarithm = std::log((1 - x) * (1 + x));
  const double v = 2 / (3.14159 * 0.147) + 0.5 * logarithm;
  return sign * std::sqrt(-v + std::sqrt(v * v - logarithm / 0.147));
}

template <class Real>
void softmax(std::vector<Real>& values, bool keepZeros) {
  const Real largest = *std::ranges::max_element(values);
  double sum = 0;
  for (Real& value : values) {
    if (keepZeros && std::abs(value) <= Real(1e-7)) {
      value = value * std::exp(-largest);
    } else {
      value = std::exp(value - largest);
    }
    sum += value;
  }
  for (Real& value : values) value /= static_cast<Real>(sum);
}

template <class Real>
void applyLink(Link link, double scale, std::vector<Real>& values) {
  if (link == Link::softmax || link == Link::softmaxZero) {
    softmax(values, link == Link::softmaxZero);
    return;
  }
  for (Real& x : values) {
    switch (link) {
      case Link::sigmoid:
        x = sigmoid(static_cast<Real>(scale) * x);
        break;
      case Link::exponential:
        x = std::exp(x);
        break;
      case Link::hinge:
        x = x > 0 ? 1 : 0;
        break;
      case Link::probit:
        x = static_cast<Real>(1.41421356 * inverseErf(2.0 * x - 1));
        break;
      case Link::signedSquare:
        x = x < 0 ? -x * x : x * x;
        break;
      case Link::softplus:
        x = std::log1p(std::exp(x));
        break;
      case Link::identity:
      case Link::softmax:
      case Link::softmaxZero:
        break;
    }
  }
}

template <class Real>
void applyStep(const Scaler& scaler, std::vector<Real>& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double offset = scaler.offset[scaler.offset.size() == 1 ? 0 : i];
    const double scale = scaler.scale[scaler.scale.size() == 1 ? 0 : i];
    row[i] = (row[i] - static_cast<Real>(offset)) * static_cast<Real>(scale);
  }
}

template <class Real>
void applyStep(const Arithmetic& arithmetic, std::vector<Real>& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const auto value = static_cast<Real>(arithmetic.values[arithmetic.values.size() == 1 ? 0 : i]);
    switch (arithmetic.operation) {
      case Arithmetic::Operation::add:
        row[i] += value;
        break;
      case Arithmetic::Operation::subtract:
        row[i] -= value;
        break;
      case Arithmetic::Operation::multiply:
        row[i] *= value;
        break;
      case Arithmetic::Operation::divide:
        row[i] /= value;
        break;
    }
  }
}

template <class Real>
void applyStep(const Normalizer& normalizer, std::vector<Real>& row) {
  const bool isMax = normalizer.norm == Normalizer::Norm::max;
  Real norm = isMax ? std::numeric_limits<Real>::lowest() : 0;
  for (const Real x : row) {
    switch (normalizer.norm) {
      case Normalizer::Norm::max:
        norm = std::max(norm, x);
        break;
      case Normalizer::Norm::l1:
        norm += std::abs(x);
        break;
      case Normalizer::Norm::l2:
        norm += x * x;
        break;
    }
  }
  if (normalizer.norm == Normalizer::Norm::l2) norm = std::sqrt(norm);
  if (norm != 0) {
    for (Real& x : row) x /= norm;
  }
}

template <class Real>
void applyStep(const Imputer& imputer, std::vector<Real>& row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool missing = std::isnan(imputer.missing) ? std::isnan(row[i])
                                                     : row[i] == static_cast<Real>(imputer.missing);
    if (missing) row[i] = static_cast<Real>(imputer.values[imputer.values.size() == 1 ? 0 : i]);
  }
}

template <class Real>
void applyRounded(const Transform& transform, std::vector<double>& row) {
  std::vector<Real> rounded(row.size());
  std::ranges::transform(row, rounded.begin(), [](double x) { return static_cast<Real>(x); });
  std::visit([&](const auto& step) { applyStep(step, rounded); }, transform.step);
  std::ranges::copy(rounded, row.begin());
}

template <class Real, class Predictor>
std::vector<double> finish(const TabularModel& model, const Predictor& predictor,
                           std::span<const double> row) {
  std::vector<Real> rounded(row.size());
  std::ranges::transform(row, rounded.begin(), [](double x) { return static_cast<Real>(x); });
  std::vector<Real> values = margins(predictor, std::span<const Real>(rounded));
  double scale = 1;
  if constexpr (std::is_same_v<Predictor, Forest>) scale = predictor.linkScale;
  applyLink(predictor.link, scale, values);
  if (model.finish == Finish::complement) values.insert(values.begin(), 1 - values[0]);
  if (model.finish == Finish::normalizeL1) applyStep(Normalizer{Normalizer::Norm::l1}, values);
  return {values.begin(), values.end()};
}

// The outputs of one row.
inline std::vector<double> predict(const TabularModel& model, std::span<const double> input) {
  std::vector<double> row(input.begin(), input.end());
  if (model.input == Precision::float32) {
    for (double& x : row) x = static_cast<float>(x);
  }
  for (const Transform& step : model.transforms) {
    step.precision == Precision::float32 ? applyRounded<float>(step, row)
                                         : applyRounded<double>(step, row);
  }
  return std::visit(
      [&](const auto& predictor) {
        return predictor.precision == Precision::float32 ? finish<float>(model, predictor, row)
                                                         : finish<double>(model, predictor, row);
      },
      model.predictor);
}

}  // namespace corbel::inference::reference
