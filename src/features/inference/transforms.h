// The steps that a pipeline does with a row before the predictor sees it.
#pragma once
#include <span>

#include "inference/tabular_model.h"

namespace corbel::inference {

// Applies the transforms in order, each computed and rounded in its own precision, as ONNX Runtime
// does.
template <class Number>
void applyTransforms(std::span<const Transform> transforms, std::span<Number> row);

extern template void applyTransforms(std::span<const Transform>, std::span<float>);
extern template void applyTransforms(std::span<const Transform>, std::span<double>);

}  // namespace corbel::inference
