#include "inference/tensor.h"

#include <utility>

namespace corbel::inference {

std::string_view name(DataType type) {
  switch (type) {
    case DataType::float32:
      return "float32";
    case DataType::float64:
      return "float64";
    case DataType::int64:
      return "int64";
    case DataType::int32:
      return "int32";
    case DataType::uint8:
      return "uint8";
    case DataType::boolean:
      return "boolean";
    case DataType::text:
      return "text";
  }
  std::unreachable();
}

Tensor Tensor::of(DataType type, std::vector<std::int64_t> shape) {
  std::size_t count = 0;
  elementCount(shape, count);
  Tensor tensor{std::move(shape), {}};
  switch (type) {
    case DataType::float32:
      tensor.values = std::vector<float>(count);
      break;
    case DataType::float64:
      tensor.values = std::vector<double>(count);
      break;
    case DataType::int64:
      tensor.values = std::vector<std::int64_t>(count);
      break;
    case DataType::int32:
      tensor.values = std::vector<std::int32_t>(count);
      break;
    case DataType::uint8:
      tensor.values = std::vector<std::uint8_t>(count);
      break;
    case DataType::boolean:
      tensor.values = std::vector<Flag>(count);
      break;
    case DataType::text:
      tensor.values = std::vector<std::string>(count);
      break;
  }
  return tensor;
}

bool elementCount(std::span<const std::int64_t> shape, std::size_t& count) {
  count = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(count, static_cast<std::size_t>(dimension), &count))
      return false;
  }
  return true;
}

}  // namespace corbel::inference
