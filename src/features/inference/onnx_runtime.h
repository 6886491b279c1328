// ONNX Runtime as an optional plug-in: found and loaded at run time, never linked.
#pragma once
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/result.h"

namespace corbel::inference {

class OnnxRuntime;

struct OnnxRuntimeOptions {
  std::filesystem::path
      library;           // e.g. libonnxruntime.so.1; a bare name is looked up by the dynamic linker
  unsigned threads = 1;  // of the one pool that all models share
};

// Loads the library. `clock` must outlive the runtime, the runtime its models (they hold it).
// failed_precondition: not found, not ONNX Runtime, or older than 1.21; the message names the file
// and what is needed.
Result<std::shared_ptr<OnnxRuntime>> openOnnxRuntime(const OnnxRuntimeOptions& options,
                                                     const Clock& clock);

}  // namespace corbel::inference
