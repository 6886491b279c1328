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

// LightGBM's text format (versions 2 to 4). The result equals Booster.predict, except that a binary
// model has two outputs (1 - p, p). Trees with linear leaves are refused. Category values are the
// codes the trainer saw.
Result<TabularModel> readLightgbm(std::span<const std::byte> file);

// ONNX files as scikit-learn, XGBoost and LightGBM exporters write them: tree ensembles and linear
// models of ONNX-ML behind scalers, imputers, normalizers and casts, with the nodes that pick
// labels. The result equals ONNX Runtime's.
struct OnnxReading {
  std::optional<TabularModel>
      model;              // nothing: valid as far as read, but another engine has to run it
  std::string otherwise;  // why, naming the operator
};
Result<OnnxReading> readOnnx(std::span<const std::byte> file);

enum class FileFormat : std::uint8_t { xgboostJson, xgboostUbjson, lightgbmText, onnx, unknown };

// Told by the first bytes alone; whether the rest is sound, the readers say.
FileFormat formatOf(std::span<const std::byte> file);

// Any of the above, told apart by content, never by name. An ONNX graph for another engine is
// unprocessable here.
Result<TabularModel> readTabularModel(std::span<const std::byte> file);

}  // namespace corbel::inference
