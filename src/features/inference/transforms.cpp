#include "inference/transforms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

namespace corbel::inference {
namespace {

template <class Number>
Number columnOf(const std::vector<double>& values, std::size_t column) {
  return static_cast<Number>(values[values.size() == 1 ? 0 : column]);
}

template <class Number>
void apply(const Scaler& scaler, std::span<Number> row) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] = (row[c] - columnOf<Number>(scaler.offset, c)) * columnOf<Number>(scaler.scale, c);
  }
}

template <class Number>
void apply(const Arithmetic& arithmetic, std::span<Number> row) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    const auto value = columnOf<Number>(arithmetic.values, c);
    switch (arithmetic.operation) {
      case Arithmetic::Operation::add:
        row[c] += value;
        break;
      case Arithmetic::Operation::subtract:
        row[c] -= value;
        break;
      case Arithmetic::Operation::multiply:
        row[c] *= value;
        break;
      case Arithmetic::Operation::divide:
        row[c] /= value;
        break;
    }
  }
}

// The maximum is that of the values, not of their absolute values: so it is in ONNX-ML.
template <class Number>
Number normOf(Normalizer::Norm kind, std::span<const Number> row) {
  if (kind == Normalizer::Norm::max) {
    Number largest = std::numeric_limits<Number>::lowest();
    for (const Number value : row) largest = std::max(largest, value);
    return largest;
  }
  Number sum = 0;
  for (const Number value : row)
    sum += kind == Normalizer::Norm::l1 ? std::abs(value) : value * value;
  return kind == Normalizer::Norm::l2 ? std::sqrt(sum) : sum;
}

template <class Number>
void apply(const Normalizer& normalizer, std::span<Number> row) {
  const Number norm = normOf<Number>(normalizer.norm, row);
  if (norm == 0) return;
  for (Number& value : row) value /= norm;
}

template <class Number>
void apply(const Imputer& imputer, std::span<Number> row) {
  const bool replacesNan = std::isnan(imputer.missing);
  for (std::size_t c = 0; c < row.size(); ++c) {
    const bool missing =
        replacesNan ? std::isnan(row[c]) : row[c] == static_cast<Number>(imputer.missing);
    if (missing) row[c] = columnOf<Number>(imputer.values, c);
  }
}

template <class Step, class Number>
void applyIn(const Transform& transform, std::span<Number> row) {
  if constexpr (std::is_same_v<Step, Number>) {
    std::visit([&](const auto& step) { apply(step, row); }, transform.step);
  } else {
    std::vector<Step> converted(row.begin(), row.end());
    std::visit([&](const auto& step) { apply(step, std::span<Step>(converted)); }, transform.step);
    std::ranges::transform(converted, row.begin(),
                           [](Step value) { return static_cast<Number>(value); });
  }
}

}  // namespace

template <class Number>
void applyTransforms(std::span<const Transform> transforms, std::span<Number> row) {
  for (const Transform& transform : transforms) {
    transform.precision == Precision::float32 ? applyIn<float>(transform, row)
                                              : applyIn<double>(transform, row);
  }
}

template void applyTransforms(std::span<const Transform>, std::span<float>);
template void applyTransforms(std::span<const Transform>, std::span<double>);

}  // namespace corbel::inference
