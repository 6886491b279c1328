// The part of an ONNX file that a tabular pipeline needs, as views into the file (onnx/onnx.proto
// names the fields).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/tabular_model.h"
#include "protobuf.h"

namespace corbel::inference::onnx {

// TensorProto.DataType
inline constexpr std::int64_t kFloat = 1;
inline constexpr std::int64_t kUint8 = 2;
inline constexpr std::int64_t kInt32 = 6;
inline constexpr std::int64_t kInt64 = 7;
inline constexpr std::int64_t kString = 8;
inline constexpr std::int64_t kBool = 9;
inline constexpr std::int64_t kDouble = 11;

// A constant. Values are decoded when asked for; unprocessable when there are not as many as the
// dimensions say.
struct Tensor {
  std::string_view name;
  std::int64_t type = 0;
  std::vector<std::int64_t> dims;
  protobuf::Bytes message;

  Result<std::vector<double>> reals() const;           // of float and double
  Result<std::vector<std::int64_t>> integers() const;  // of uint8, int32 and int64
  Result<ClassLabels> labels() const;                  // of int32, int64 and string
  Result<std::size_t> count() const;                   // product of dims
};

// One attribute of a node, decoded when asked for. A missing list is empty, a missing single value
// is the default.
struct Node {
  std::string_view type;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::map<std::string_view, protobuf::Bytes, std::less<>> attributes;

  Result<std::vector<double>> floats(std::string_view name) const;
  Result<std::vector<std::int64_t>> integers(std::string_view name) const;
  Result<std::vector<std::string_view>> texts(std::string_view name) const;
  Result<std::int64_t> integer(std::string_view name, std::int64_t otherwise) const;
  Result<double> real(std::string_view name, double otherwise) const;
  Result<std::string> text(std::string_view name, std::string_view otherwise) const;
  // floats(name), or the tensor of name + "_as_tensor".
  Result<std::vector<double>> floatsOrTensor(const std::string& name) const;
  Result<Tensor> tensor(std::string_view name) const;  // missing: no dimensions, no type
  bool has(std::string_view name) const { return attributes.contains(name); }
};

struct Input {
  std::string_view name;
  std::int64_t type = 0;
  std::vector<std::int64_t> dims;  // -1: free
};

struct Graph {
  std::vector<Node> nodes;
  std::map<std::string_view, Tensor, std::less<>> constants;
  std::vector<Input> inputs;  // without constants
  std::vector<std::string_view> outputs;
};

// The file is valid as far as it was read, but it is no pipeline that this module evaluates.
std::unexpected<Error> notTabular(std::string reason);
bool isNotTabular(const Error& error);

Result<Graph> readGraph(protobuf::Bytes file);

}  // namespace corbel::inference::onnx
