#include "inference/linear.h"

#include <fmt/format.h>

namespace corbel::inference {

Result<void> validate(const LinearModel& model) {
  if (model.outputs < 1 || model.outputs > kMaxOutputs || model.features > kMaxFeatures) {
    return fail(ErrorCode::unprocessable,
                fmt::format("the model has {} outputs and {} features, allowed are 1 to {} and up "
                            "to {}",
                            model.outputs, model.features, kMaxOutputs, kMaxFeatures));
  }
  const std::size_t expected = std::size_t{model.outputs} * model.features;
  if (model.coefficients.size() != expected) {
    return fail(ErrorCode::unprocessable,
                fmt::format("the model has {} coefficients for {} outputs of {} features",
                            model.coefficients.size(), model.outputs, model.features));
  }
  if (model.intercepts.size() != model.outputs) {
    return fail(ErrorCode::unprocessable, fmt::format("the model has {} intercepts for {} outputs",
                                                      model.intercepts.size(), model.outputs));
  }
  return {};
}

}  // namespace corbel::inference
