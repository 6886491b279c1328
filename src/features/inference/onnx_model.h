// Runs any ONNX graph through ONNX Runtime. Private to the module; see model.h.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "inference/model.h"

namespace corbel::inference {

// unprocessable: the library refuses the graph, or an input or output is of a kind we do not serve.
// `deadline` ends trial runs; the library cannot be stopped while it opens the graph.
Result<std::shared_ptr<const Model>> loadOnnxModel(std::span<const std::byte> file,
                                                   std::shared_ptr<OnnxRuntime> runtime,
                                                   Deadline deadline);

}  // namespace corbel::inference
