// What turns raw sums of trees into a forest's outputs.
#pragma once
#include <cstddef>

#include "inference/forest.h"

namespace corbel::inference {

// Replaces the `rows` x `outputs` raw sums by what the trainer predicts, computed in T; `scale` is
// Forest::linkScale. probit is ONNX Runtime's approximation, and softmaxZero takes |x| <= 1e-7 for
// zero, as it does.
template <class T>
void applyLink(Link link, T scale, std::size_t rows, std::size_t outputs, T* values);

extern template void applyLink(Link, float, std::size_t, std::size_t, float*);
extern template void applyLink(Link, double, std::size_t, std::size_t, double*);

}  // namespace corbel::inference
