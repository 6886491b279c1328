// A linear model as every reader produces it: plain data, independent of the file format it came
// from.
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "inference/forest.h"

namespace corbel::inference {

// raw[o] = intercepts[o] + sum over f of row[f] * coefficients[o * features + f], then the link.
struct LinearModel {
  Precision precision = Precision::float32;  // of products, sums and link
  std::uint32_t features = 0;
  std::uint32_t outputs = 1;         // a binary classifier may have 1 with Link::sigmoid
  std::vector<double> coefficients;  // outputs x features
  std::vector<double> intercepts;    // one an output
  Link link = Link::identity;
  bool missingIsZero = false;  // NaN adds nothing (XGBoost gblinear); else NaN makes the output NaN
};

// Sizes agree and are within kMaxOutputs and kMaxFeatures. unprocessable: names what does not.
Result<void> validate(const LinearModel& model);

}  // namespace corbel::inference
