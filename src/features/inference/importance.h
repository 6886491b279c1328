// Feature importance by sampling, for models that no engine can explain exactly.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/input_plan.h"

namespace corbel::inference {

// What each field adds to the result of `row`, starting from a neutral row: Shapley values
// estimated over random orders of the fields (Strumbelj and Kononenko, 2014). They add up to
// evaluate(row) - evaluate(neutral row), which is `base`.
struct SampledImportance {
  std::vector<double> contributions;  // one a field
  double base = 0;
};

// The number of interest for each row, e.g. the probability of one class.
using EvaluateRows = std::function<Result<std::vector<double>>(std::span<const InputRow>)>;

inline constexpr int kSampledOrders = 16;

// Costs kSampledOrders * (fields + 1) rows, asked for in portions of a few megabytes. The same
// `seed` gives the same orders. The neutral row has missing values where fields may be missing, the
// middle of the declared range, else 0.
Result<SampledImportance> sampleImportance(const InputPlan& plan, const InputRow& row,
                                           const EvaluateRows& evaluate, std::uint64_t seed);

}  // namespace corbel::inference
