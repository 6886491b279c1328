// Where ONNX Runtime is.
#pragma once
#include <string>

#include "config/settings.h"

namespace corbel::app {

// The setting inference.onnxRuntimeLibrary; else libonnxruntime.so.1 beside the program; else its
// bare name, which the dynamic linker looks up in the system. Whether it can be loaded,
// openOnnxRuntime() tells.
std::string onnxRuntimeLibrary(const config::InferenceSettings& settings);

}  // namespace corbel::app
