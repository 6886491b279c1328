// Numbers and texts in and out of models.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace corbel::inference {

enum class Flag : std::uint8_t { off, on };  // a boolean element; a byte, as runtimes want it

enum class DataType : std::uint8_t { float32, float64, int64, int32, uint8, boolean, text };

// "float32", "text" ...
std::string_view name(DataType type);

// Dense, row-major. `values` holds exactly as many elements as the product of `shape`.
struct Tensor {
  using Values = std::variant<std::vector<float>, std::vector<double>, std::vector<std::int64_t>,
                              std::vector<std::int32_t>, std::vector<std::uint8_t>,
                              std::vector<Flag>, std::vector<std::string>>;
  std::vector<std::int64_t> shape;
  Values values;  // the alternative's index is the DataType's value

  static Tensor of(DataType type, std::vector<std::int64_t> shape);  // zeros, empty texts
  DataType type() const { return static_cast<DataType>(values.index()); }
};

using Tensors = std::vector<Tensor>;

// Number of elements; nothing when a dimension is negative or the product does not fit.
bool elementCount(std::span<const std::int64_t> shape, std::size_t& count);

// What a model file says of one input or output. A dimension of -1 is free; the first one is the
// batch.
struct TensorSpec {
  std::string name;
  DataType type = DataType::float32;
  std::vector<std::int64_t> shape;
  bool operator==(const TensorSpec&) const = default;
};

}  // namespace corbel::inference
