#include "app/onnx_library.h"

#include <filesystem>
#include <system_error>

namespace corbel::app {

std::string onnxRuntimeLibrary(const config::InferenceSettings& settings) {
  static constexpr const char* kName = "libonnxruntime.so.1";
  if (!settings.onnxRuntimeLibrary.empty()) return settings.onnxRuntimeLibrary;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = program.parent_path() / kName;
  return !error && std::filesystem::exists(beside, error) ? beside.string() : kName;
}

}  // namespace corbel::app
