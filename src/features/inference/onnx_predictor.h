// ONNX-ML's predictors as forests and linear models.
#pragma once
#include <cstdint>
#include <variant>

#include "base/result.h"
#include "inference/tabular_model.h"
#include "onnx_graph.h"
#include "tree_builder.h"

namespace corbel::inference::onnx {

struct Predictor {
  std::variant<Forest, LinearModel> model;
  Finish finish = Finish::none;
  ClassLabels labels;  // empty: a regressor
};

// `precision` of the rows, `features` of a row (0: the graph does not say). The results equal ONNX
// Runtime's. notTabular: ONNX Runtime does something there that Forest cannot say. unprocessable:
// the node is broken.
Result<Predictor> readTreeEnsemble(const Node& node, Precision precision, std::uint32_t features,
                                   Allowance& allowance);
Result<Predictor> readLinear(const Node& node, std::uint32_t features);

Result<Link> linkOf(std::string_view postTransform);
Result<ClassLabels> labelsOf(const Node& node, std::string_view integers, std::string_view texts);

}  // namespace corbel::inference::onnx
