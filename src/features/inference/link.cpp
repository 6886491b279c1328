#include "link.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

namespace corbel::inference {
namespace {

// S. Winitzki's approximation with the constant that ONNX Runtime uses (onnxruntime ml_common.h,
// ErfInv).
template <class T>
T inverseErf(T x) {
  constexpr T kA = static_cast<T>(0.147);
  const T logarithm = std::log((1 - x) * (1 + x));
  const T v = 2 / (std::numbers::pi_v<T> * kA) + logarithm / 2;
  return std::copysign(std::sqrt(-v + std::sqrt(v * v - logarithm / kA)), x);
}

template <class T>
T probit(T x) {
  return std::numbers::sqrt2_v<T> * inverseErf(2 * x - 1);
}

// The sum is kept in double as XGBoost does (common/math.h, Softmax).
template <class T>
void softmax(std::span<T> row) {
  const T largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (T& x : row) {
    x = std::exp(x - largest);
    sum += static_cast<double>(x);
  }
  for (T& x : row) x /= static_cast<T>(sum);
}

// As onnxruntime ml_common.h, ComputeSoftmaxZero.
template <class T>
void softmaxZero(std::span<T> row) {
  constexpr T kZero = static_cast<T>(1e-7);
  const T largest = *std::max_element(row.begin(), row.end());
  T sum = 0;
  for (T& x : row) {
    if (std::abs(x) <= kZero) {
      x *= std::exp(-largest);
    } else {
      x = std::exp(x - largest);
      sum += x;
    }
  }
  for (T& x : row) x /= sum;
}

}  // namespace

template <class T>
void applyLink(Link link, T scale, std::size_t rows, std::size_t outputs, T* values) {
  const std::span<T> all(values, rows * outputs);
  switch (link) {
    case Link::identity:
      break;
    case Link::sigmoid:
      for (T& x : all) x = 1 / (1 + std::exp(-scale * x));
      break;
    case Link::exponential:
      for (T& x : all) x = std::exp(x);
      break;
    case Link::hinge:
      for (T& x : all) x = x > 0 ? T{1} : T{0};
      break;
    case Link::signedSquare:
      for (T& x : all) x = x < 0 ? -x * x : x * x;
      break;
    case Link::softplus:
      for (T& x : all) x = std::log1p(std::exp(x));
      break;
    case Link::probit:
      for (T& x : all) x = probit(x);
      break;
    case Link::softmax:
      for (std::size_t row = 0; row < rows; ++row) softmax(all.subspan(row * outputs, outputs));
      break;
    case Link::softmaxZero:
      for (std::size_t row = 0; row < rows; ++row) softmaxZero(all.subspan(row * outputs, outputs));
      break;
  }
}

template void applyLink(Link, float, std::size_t, std::size_t, float*);
template void applyLink(Link, double, std::size_t, std::size_t, double*);

}  // namespace corbel::inference
