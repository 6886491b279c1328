#include "inference/compiled_forest.h"

#include <utility>

#include "forest_plan.h"

namespace corbel::inference {

CompiledForest::CompiledForest(Plan plan, std::size_t features, std::size_t outputs)
    : plan_(std::move(plan)), features_(features), outputs_(outputs) {}

CompiledForest::CompiledForest(CompiledForest&&) noexcept = default;
CompiledForest& CompiledForest::operator=(CompiledForest&&) noexcept = default;
CompiledForest::~CompiledForest() = default;

Result<CompiledForest> CompiledForest::compile(const Forest& forest, Kernel kernel) {
  CORBEL_CHECK(validate(forest));
  if (forest.precision == Precision::float32) {
    CORBEL_TRY(auto plan, ForestPlan<float>::build(forest, kernel));
    return CompiledForest(std::move(plan), forest.features, forest.outputs);
  }
  CORBEL_TRY(auto plan, ForestPlan<double>::build(forest, kernel));
  return CompiledForest(std::move(plan), forest.features, forest.outputs);
}

Precision CompiledForest::precision() const {
  return plan_.index() == 0 ? Precision::float32 : Precision::float64;
}

void CompiledForest::predict(const float* rows, std::size_t rowCount, std::size_t rowStride,
                             float* out) const {
  std::get<0>(plan_)->predict(rows, rowCount, rowStride, out);
}

void CompiledForest::predict(const double* rows, std::size_t rowCount, std::size_t rowStride,
                             double* out) const {
  std::get<1>(plan_)->predict(rows, rowCount, rowStride, out);
}

void CompiledForest::margins(const float* rows, std::size_t rowCount, std::size_t rowStride,
                             float* out) const {
  std::get<0>(plan_)->margins(rows, rowCount, rowStride, out);
}

void CompiledForest::margins(const double* rows, std::size_t rowCount, std::size_t rowStride,
                             double* out) const {
  std::get<1>(plan_)->margins(rows, rowCount, rowStride, out);
}

std::size_t CompiledForest::memoryBytes() const {
  return sizeof(*this) + std::visit([](const auto& plan) { return plan->memoryBytes(); }, plan_);
}

std::size_t CompiledForest::stepsOfARow() const {
  return std::visit([](const auto& plan) { return plan->stepsOfARow(); }, plan_);
}

}  // namespace corbel::inference
