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

// Where the work ends between its steps when the time is over.
struct Bounds {
  const Clock& clock;
  Deadline deadline;
  Result<void> check() const {
    if (!deadline.expired(clock)) return {};
    return fail(ErrorCode::deadlineExceeded, "model file: reading it took longer than allowed");
  }
};

Result<std::shared_ptr<const Model>> makeEngine(TabularModel model, std::string format,
                                                const Bounds& bounds) {
  CORBEL_CHECK(bounds.check());
  CORBEL_TRY(auto engine, makeTabularEngine(std::move(model), std::move(format), bounds.clock));
  CORBEL_CHECK(bounds.check());
  return engine;
}

Result<std::shared_ptr<const Model>> loadTabular(Result<TabularModel> read, std::string format,
                                                 const Bounds& bounds) {
  if (!read) return ofFile(std::move(read).error());
  return makeEngine(*std::move(read), std::move(format), bounds);
}

Result<std::shared_ptr<const Model>> loadOnnx(std::span<const std::byte> file,
                                              const LoadOptions& options, const Bounds& bounds) {
  auto reading = readOnnx(file);
  if (!reading) return ofFile(std::move(reading).error());
  if (reading->model) return makeEngine(*std::move(reading->model), "onnx", bounds);
  CORBEL_CHECK(bounds.check());
  if (options.onnxRuntime) {
    CORBEL_TRY(auto runtime, options.onnxRuntime());
    return loadOnnxModel(file, std::move(runtime), bounds.deadline);
  }
  return fail(ErrorCode::unprocessable,
              "model file: this ONNX graph needs ONNX Runtime (" + reading->otherwise +
                  "), which this server does not have; set inference.onnxRuntimeLibrary");
}

}  // namespace

Result<std::shared_ptr<const Model>> load(std::span<const std::byte> file,
                                          const LoadOptions& options, const Clock& clock,
                                          Deadline deadline) {
  const Bounds bounds{clock, deadline};
  CORBEL_CHECK(bounds.check());
  switch (formatOf(file)) {
    case FileFormat::xgboostJson:
      return loadTabular(readXgboost(file), "xgboost-json", bounds);
    case FileFormat::xgboostUbjson:
      return loadTabular(readXgboost(file), "xgboost-ubj", bounds);
    case FileFormat::lightgbmText:
      return loadTabular(readLightgbm(file), "lightgbm-text", bounds);
    case FileFormat::onnx:
      return loadOnnx(file, options, bounds);
    case FileFormat::unknown:
      break;
  }
  return fail(
      ErrorCode::unprocessable,
      "model file: its content is none of XGBoost JSON, XGBoost UBJSON, LightGBM text and ONNX");
}

}  // namespace corbel::inference
