// Readers of model files for Corbel's own evaluator. The whole file is in memory; a reader keeps
// nothing of it, runs in time linear in its size and takes at most a small multiple of its size in
// memory, whatever the file claims. Every reader returns a model that passed validate(), or
// unprocessable: the message names what is wrong and where, e.g. "tree 12, node 7: right child 9001
// is outside the tree (63 nodes)".
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "inference/tabular_model.h"

namespace corbel::inference {

// XGBoost models that stopped early carry the best iteration. The trainer's Booster.predict uses
// every round unless told otherwise; its scikit-learn classes use the rounds up to the best one.
enum class Rounds : std::uint8_t { all, upToBest };

// XGBoost's JSON or UBJSON (versions 1.0 to 3.x): gbtree, dart, gblinear. The result equals
// Booster.predict, except that a binary:logistic model has two outputs (1 - p, p) and multi:softmax
// answers probabilities, not the class. Category values are the codes the trainer saw.
Result<TabularModel> readXgboost(std::span<const std::byte> file, Rounds rounds = Rounds::all);

}  // namespace corbel::inference
