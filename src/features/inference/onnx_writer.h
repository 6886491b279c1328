// Writes ONNX files for tests: just enough protobuf.
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corbel::inference::onnx_writer {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

inline std::string number(std::uint32_t field, std::int64_t value) {
  return varint(field << 3) + varint(static_cast<std::uint64_t>(value));
}

inline std::string text(std::uint32_t field, std::string_view value) {
  return varint(field << 3 | 2) + varint(value.size()) + std::string(value);
}

inline std::string real(std::uint32_t field, float value) {
  std::string bytes = varint(field << 3 | 5);
  for (int shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<char>(std::bit_cast<std::uint32_t>(value) >> shift));
  }
  return bytes;
}

// AttributeProto.AttributeType of onnx.proto.
enum class Kind : std::int64_t {
  real = 1,
  integer = 2,
  word = 3,
  tensor = 4,
  graph = 5,
  floats = 6,
  integers = 7,
  texts = 8
};

// Attributes of a node, in NodeProto's field 5.
inline std::string attribute(std::string_view name, Kind kind, std::string_view content) {
  return text(5,
              text(1, name) + std::string(content) + number(20, static_cast<std::int64_t>(kind)));
}
inline std::string floats(std::string_view name, const std::vector<float>& values) {
  std::string content;
  for (const float value : values) content += real(7, value);
  return attribute(name, Kind::floats, content);
}
inline std::string integers(std::string_view name, const std::vector<std::int64_t>& values) {
  std::string content;
  for (const std::int64_t value : values) content += number(8, value);
  return attribute(name, Kind::integers, content);
}
inline std::string texts(std::string_view name, const std::vector<std::string_view>& values) {
  std::string content;
  for (const std::string_view value : values) content += text(9, value);
  return attribute(name, Kind::texts, content);
}
inline std::string word(std::string_view name, std::string_view value) {
  return attribute(name, Kind::word, text(4, value));
}
inline std::string integer(std::string_view name, std::int64_t value) {
  return attribute(name, Kind::integer, number(3, value));
}
inline std::string graph(std::string_view name, std::string_view content) {
  return attribute(name, Kind::graph, text(6, content));
}

inline std::string real(std::string_view name, float value) {
  return attribute(name, Kind::real, real(2, value));
}

// TensorProto of floats, or of bytes (uint8), without its field number.
inline std::string tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                          const std::vector<float>& values) {
  std::string content = text(8, name) + number(2, 1);
  for (const std::int64_t dim : dims) content += number(1, dim);
  for (const float value : values) content += real(4, value);
  return content;
}
inline std::string byteTensor(const std::vector<std::uint8_t>& values) {
  return number(2, 2) + number(1, std::int64_t(values.size())) +
         text(9, std::string(values.begin(), values.end()));
}
inline std::string tensorAttribute(std::string_view name, std::string_view tensor) {
  return attribute(name, Kind::tensor, text(5, tensor));
}

inline std::string node(std::string_view type, const std::vector<std::string_view>& inputs,
                        const std::vector<std::string_view>& outputs, std::string_view attributes,
                        std::string_view domain = "ai.onnx.ml") {
  std::string content;
  for (const std::string_view name : inputs) content += text(1, name);
  for (const std::string_view name : outputs) content += text(2, name);
  return text(1, content + text(4, type) + text(7, domain) + std::string(attributes));
}

// An input or output of the graph: floats [N, columns]; columns 0: the type is not said.
inline std::string value(std::uint32_t field, std::string_view name, std::int64_t columns = 0,
                         std::int64_t type = 1) {
  if (columns == 0) return text(field, text(1, name));
  const std::string shape = text(1, text(2, "N")) + text(1, number(1, columns));
  return text(field, text(1, name) + text(2, text(1, number(1, type) + text(2, shape))));
}
inline std::string input(std::string_view name, std::int64_t columns, std::int64_t type = 1) {
  return value(11, name, columns, type);
}
inline std::string output(std::string_view name) { return value(12, name); }

inline std::string model(std::string_view graph) { return number(1, 8) + text(7, graph); }

}  // namespace corbel::inference::onnx_writer
