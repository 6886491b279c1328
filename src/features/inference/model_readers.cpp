#include "inference/model_readers.h"

#include <fmt/format.h>

#include <string_view>

namespace corbel::inference {
namespace {

// A protobuf of ModelProto begins with ir_version (field 1), or, as fields may come in any order,
// another of its fields.
bool mayBeOnnx(std::span<const std::byte> file) {
  constexpr std::string_view kFirstTags = "\x08\x12\x1A\x22\x28\x32\x3A\x42\x72\xA2\x01";
  return !file.empty() && kFirstTags.contains(static_cast<char>(file[0]));
}

}  // namespace

FileFormat formatOf(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with('{')) {
    // In UBJSON a type marker follows, in JSON a name or the end.
    const auto next = text.find_first_not_of(" \t\r\n", 1);
    const bool isJson = next == std::string_view::npos || text[next] == '"' || text[next] == '}';
    return isJson ? FileFormat::xgboostJson : FileFormat::xgboostUbjson;
  }
  if (text.starts_with("tree\n") || text.starts_with("tree\r\n")) return FileFormat::lightgbmText;
  return mayBeOnnx(file) ? FileFormat::onnx : FileFormat::unknown;
}

Result<TabularModel> readTabularModel(std::span<const std::byte> file) {
  switch (formatOf(file)) {
    case FileFormat::xgboostJson:
    case FileFormat::xgboostUbjson:
      return readXgboost(file);
    case FileFormat::lightgbmText:
      return readLightgbm(file);
    case FileFormat::onnx:
      break;
    case FileFormat::unknown:
      return fail(
          ErrorCode::unprocessable,
          "the file is no XGBoost model (JSON or UBJSON), LightGBM model (text) or ONNX model");
  }
  CORBEL_TRY(OnnxReading reading, readOnnx(file));
  if (reading.model) return std::move(*reading.model);
  return fail(ErrorCode::unprocessable,
              fmt::format("the ONNX graph is no tabular pipeline: {}", reading.otherwise));
}

}  // namespace corbel::inference
