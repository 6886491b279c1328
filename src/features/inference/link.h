// What turns raw sums of trees into a forest's outputs.
#pragma once
#include <cstddef>

#include "inference/forest.h"

namespace corbel::inference {

// Replaces the `rows` x `outputs` raw sums by what the trainer predicts, computed in T. `scale` is Forest::linkScale.
//   identity, exponential  x, exp(x)
//   sigmoid                1 / (1 + exp(-scale x))
//   softmax                over the outputs of a row
//   softmaxZero            ONNX SOFTMAX_ZERO: outputs that are zero (|x| <= 1e-7) take no part
//   hinge                  XGBoost binary:hinge: 1 when x > 0, else 0
//   probit                 ONNX PROBIT: the quantile of the normal distribution, approximated as ONNX Runtime does
template <class T>
void applyLink(Link link, T scale, std::size_t rows, std::size_t outputs, T* values);

extern template void applyLink(Link, float, std::size_t, std::size_t, float*);
extern template void applyLink(Link, double, std::size_t, std::size_t, double*);

}  // namespace corbel::inference
