// Forests and linear models by Corbel's own evaluators. Private to the module; see model.h.
#pragma once
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "inference/model.h"
#include "inference/tabular_model.h"

namespace corbel::inference {

// One input [rows, features]. A classifier has one output "probabilities" [rows, classes], or,
// where the file gives only a score, "label" [rows] and "score" [rows, 1]; a regressor has
// "prediction" [rows, outputs]. `format` is what the file was, e.g. "xgboost-json". `clock` must
// outlive the model. unprocessable: the forest is too large to prepare.
Result<std::shared_ptr<const Model>> makeTabularEngine(TabularModel model, std::string format,
                                                       const Clock& clock);

}  // namespace corbel::inference
