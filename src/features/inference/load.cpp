#include <string_view>
#include <utility>

#include "inference/model.h"
#include "inference/model_readers.h"
#include "inference/onnx_model.h"
#include "inference/tabular_engine.h"

namespace corbel::inference {
namespace {

std::unexpected<Error> ofFile(Error error) {
  constexpr std::string_view kFile = "model file: ";
  if (!error.message.starts_with(kFile)) error.message.insert(0, kFile);
  return std::unexpected(std::move(error));
}

Result<std::shared_ptr<const Model>> loadTabular(Result<TabularModel> read, std::string format) {
  if (!read) return ofFile(std::move(read).error());
  return makeTabularEngine(*std::move(read), std::move(format));
}

Result<std::shared_ptr<const Model>> loadOnnx(std::span<const std::byte> file,
                                              const LoadOptions& options) {
  auto reading = readOnnx(file);
  if (!reading) return ofFile(std::move(reading).error());
  if (reading->model) return makeTabularEngine(*std::move(reading->model), "onnx");
  if (options.onnxRuntime) {
    CORBEL_TRY(auto runtime, options.onnxRuntime());
    return loadOnnxModel(file, std::move(runtime));
  }
  return fail(ErrorCode::unprocessable,
              "model file: this ONNX graph needs ONNX Runtime (" + reading->otherwise +
                  "), which this server does not have; set inference.onnxRuntimeLibrary");
}

}  // namespace

Result<std::shared_ptr<const Model>> load(std::span<const std::byte> file,
                                          const LoadOptions& options) {
  switch (formatOf(file)) {
    case FileFormat::xgboostJson:
      return loadTabular(readXgboost(file), "xgboost-json");
    case FileFormat::xgboostUbjson:
      return loadTabular(readXgboost(file), "xgboost-ubj");
    case FileFormat::lightgbmText:
      return loadTabular(readLightgbm(file), "lightgbm-text");
    case FileFormat::onnx:
      return loadOnnx(file, options);
    case FileFormat::unknown:
      break;
  }
  return fail(
      ErrorCode::unprocessable,
      "model file: its content is none of XGBoost JSON, XGBoost UBJSON, LightGBM text and ONNX");
}

}  // namespace corbel::inference
