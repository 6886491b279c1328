#include "onnx_graph.h"

#include <fmt/format.h>

#include <bit>
#include <limits>
#include <utility>

#include "tree_builder.h"

namespace corbel::inference::onnx {
namespace {

using protobuf::Bytes;
using protobuf::Field;
using protobuf::forEachField;
using protobuf::Wire;

// Pipelines have a few nodes; a graph of more is a neural network or hostile.
constexpr std::size_t kMaxNodes = 1000;
constexpr std::size_t kMaxAttributes = 64;
constexpr std::size_t kMaxDims = 8;

// Never shown: readOnnx turns it into an outcome of its own.
constexpr ErrorCode kNotTabular = ErrorCode::unsupportedMediaType;

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

Result<std::string_view> textOf(const Field& field) {
  if (field.wire == Wire::bytes) return field.text();
  return unprocessable(fmt::format("the ONNX file: field {} is not a text", field.number));
}

Result<Bytes> messageOf(const Field& field) {
  if (field.wire == Wire::bytes) return field.bytes;
  return unprocessable(fmt::format("the ONNX file: field {} is not a message", field.number));
}

Result<void> addText(const Field& field, std::vector<std::string_view>& list) {
  CORBEL_TRY(const std::string_view text, textOf(field));
  list.push_back(text);
  return {};
}

Result<void> setText(const Field& field, std::string_view& target) {
  CORBEL_TRY(target, textOf(field));
  return {};
}

Result<Tensor> readTensor(Bytes message) {
  Tensor tensor{.name = {}, .type = 0, .dims = {}, .message = message};
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    switch (field.number) {
      case 1:
        return protobuf::forEachVarint(field, [&](std::uint64_t dim) {
          if (tensor.dims.size() <= kMaxDims) tensor.dims.push_back(static_cast<std::int64_t>(dim));
        });
      case 2:
        tensor.type = static_cast<std::int64_t>(field.value);
        return {};
      case 8:
        return setText(field, tensor.name);
      case 14:
        if (field.value == 0) return {};
        return unprocessable(fmt::format(
            "tensor '{}' is stored in another file, which is never read", excerpt(tensor.name)));
      default:
        return {};
    }
  }));
  if (tensor.dims.size() > kMaxDims) return notTabular("a tensor has more than 8 dimensions");
  return tensor;
}

Result<void> readAttribute(Bytes message, Node& node) {
  std::string_view name;
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    return field.number == 1 ? setText(field, name) : Result<void>();
  }));
  if (node.attributes.size() == kMaxAttributes) return notTabular("a node of many attributes");
  if (node.attributes.emplace(name, message).second) return {};
  return unprocessable(
      fmt::format("{}: attribute {} is there twice", excerpt(node.type), excerpt(name)));
}

Result<Node> readNode(Bytes message) {
  Node node;
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    switch (field.number) {
      case 1:
        return addText(field, node.inputs);
      case 2:
        return addText(field, node.outputs);
      case 4:
        return setText(field, node.type);
      case 5: {
        CORBEL_TRY(const Bytes attribute, messageOf(field));
        return readAttribute(attribute, node);
      }
      case 7:
        return setText(field, node.domain);
      default:
        return {};
    }
  }));
  return node;
}

// TensorShapeProto: repeated Dimension{dim_value = 1, dim_param = 2} = 1
Result<void> readShape(Bytes message, Input& input) {
  return forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number != 1) return {};
    CORBEL_TRY(const Bytes dimension, messageOf(field));
    std::int64_t dim = -1;
    CORBEL_CHECK(forEachField(dimension, [&](const Field& inner) -> Result<void> {
      if (inner.number == 1 && inner.wire == Wire::varint) {
        dim = static_cast<std::int64_t>(inner.value);
      }
      return {};
    }));
    if (input.dims.size() == kMaxDims) return notTabular("an input of more than 8 dimensions");
    input.dims.push_back(dim);
    return {};
  });
}

// TypeProto: Tensor{elem_type = 1, shape = 2} tensor_type = 1
Result<void> readType(Bytes message, Input& input) {
  return forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number != 1) return {};
    CORBEL_TRY(const Bytes tensor, messageOf(field));
    return forEachField(tensor, [&](const Field& inner) -> Result<void> {
      if (inner.number == 1) input.type = static_cast<std::int64_t>(inner.value);
      if (inner.number != 2) return {};
      CORBEL_TRY(const Bytes shape, messageOf(inner));
      return readShape(shape, input);
    });
  });
}

Result<Input> readInput(Bytes message) {
  Input input;
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number == 1) return setText(field, input.name);
    if (field.number != 2) return {};
    CORBEL_TRY(const Bytes type, messageOf(field));
    return readType(type, input);
  }));
  return input;
}

Result<void> readGraphField(const Field& field, Graph& graph) {
  CORBEL_TRY(const Bytes message, messageOf(field));
  switch (field.number) {
    case 1: {
      if (graph.nodes.size() == kMaxNodes) {
        return notTabular(fmt::format("the graph has more than {} nodes", kMaxNodes));
      }
      CORBEL_TRY(Node node, readNode(message));
      graph.nodes.push_back(std::move(node));
      return {};
    }
    case 5: {
      if (graph.constants.size() == kMaxNodes) return notTabular("the graph has many constants");
      CORBEL_TRY(Tensor tensor, readTensor(message));
      graph.constants.emplace(tensor.name, std::move(tensor));
      return {};
    }
    case 11: {
      CORBEL_TRY(Input input, readInput(message));
      graph.inputs.push_back(std::move(input));
      return {};
    }
    case 12: {
      CORBEL_TRY(const Input output, readInput(message));
      graph.outputs.push_back(output.name);
      return {};
    }
    case 15:
      return notTabular("the graph has sparse constants");
    default:
      return {};
  }
}

double asDouble(std::uint64_t bits) { return std::bit_cast<double>(bits); }
double asFloat(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace

std::unexpected<Error> notTabular(std::string reason) {
  return fail(kNotTabular, std::move(reason));
}
bool isNotTabular(const Error& error) { return error.code == kNotTabular; }

Result<std::size_t> Tensor::count() const {
  std::size_t product = 1;
  for (const std::int64_t dim : dims) {
    // No tensor has more elements than the file has bits, so larger dimensions are lies.
    if (dim < 0 || (dim != 0 && product > message.size() * 8 / std::size_t(dim))) {
      return unprocessable(fmt::format("tensor {}: its dimensions exceed the file", excerpt(name)));
    }
    product *= std::size_t(dim);
  }
  return product;
}

Result<std::vector<double>> Tensor::reals() const {
  std::vector<double> values;
  const bool single = type == kFloat;
  if (!single && type != kDouble) {
    return notTabular(fmt::format("tensor {} is neither float nor double", excerpt(name)));
  }
  const auto addSingle = [&](std::uint32_t bits) { values.push_back(asFloat(bits)); };
  const auto addDouble = [&](std::uint64_t bits) { values.push_back(asDouble(bits)); };
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number == 4 && single) return protobuf::forEachFixed32(field, addSingle);
    if (field.number == 10 && !single) return protobuf::forEachFixed64(field, addDouble);
    if (field.number != 9) return {};
    return single ? protobuf::forEachFixed32(field, addSingle)
                  : protobuf::forEachFixed64(field, addDouble);
  }));
  CORBEL_TRY(const std::size_t expected, count());
  if (values.size() == expected) return values;
  return unprocessable(fmt::format("tensor {} has {} values, its dimensions say {}", excerpt(name),
                                   values.size(), expected));
}

Result<std::vector<std::int64_t>> Tensor::integers() const {
  std::vector<std::int64_t> values;
  const bool wide = type == kInt64;
  if (!wide && type != kInt32 && type != kUint8) {
    return notTabular(fmt::format("tensor {} is not of a known integer type", excerpt(name)));
  }
  const auto add = [&](std::uint64_t bits) { values.push_back(static_cast<std::int64_t>(bits)); };
  const auto addNarrow = [&](std::uint32_t bits) {
    values.push_back(static_cast<std::int32_t>(bits));
  };
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number == (wide ? 7U : 5U)) return protobuf::forEachVarint(field, add);
    if (field.number != 9) return {};
    if (type == kUint8) {
      for (const std::byte byte : field.bytes)
        values.push_back(std::to_integer<std::int64_t>(byte));
      return {};
    }
    return wide ? protobuf::forEachFixed64(field, add) : protobuf::forEachFixed32(field, addNarrow);
  }));
  CORBEL_TRY(const std::size_t expected, count());
  if (values.size() == expected) return values;
  return unprocessable(fmt::format("tensor {} has {} values, its dimensions say {}", excerpt(name),
                                   values.size(), expected));
}

Result<ClassLabels> Tensor::labels() const {
  if (type != kString) return integers();
  std::vector<std::string> values;
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number != 6) return {};
    CORBEL_TRY(const std::string_view text, textOf(field));
    values.emplace_back(text);
    return {};
  }));
  return values;
}

// AttributeProto: f = 2, i = 3, s = 4, t = 5, floats = 7, ints = 8, strings = 9
Result<std::vector<double>> Node::floats(std::string_view name) const {
  std::vector<double> values;
  const auto found = attributes.find(name);
  if (found == attributes.end()) return values;
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    if (field.number != 7) return {};
    return protobuf::forEachFixed32(field,
                                    [&](std::uint32_t bits) { values.push_back(asFloat(bits)); });
  }));
  return values;
}

Result<std::vector<std::int64_t>> Node::integers(std::string_view name) const {
  std::vector<std::int64_t> values;
  const auto found = attributes.find(name);
  if (found == attributes.end()) return values;
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    if (field.number != 8) return {};
    return protobuf::forEachVarint(
        field, [&](std::uint64_t bits) { values.push_back(static_cast<std::int64_t>(bits)); });
  }));
  return values;
}

Result<std::vector<std::string_view>> Node::texts(std::string_view name) const {
  std::vector<std::string_view> values;
  const auto found = attributes.find(name);
  if (found == attributes.end()) return values;
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    return field.number == 9 ? addText(field, values) : Result<void>();
  }));
  return values;
}

Result<std::int64_t> Node::integer(std::string_view name, std::int64_t otherwise) const {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return otherwise;
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    if (field.number == 3) otherwise = static_cast<std::int64_t>(field.value);
    return {};
  }));
  return otherwise;
}

Result<double> Node::real(std::string_view name, double otherwise) const {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return otherwise;
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    if (field.number == 2) otherwise = asFloat(static_cast<std::uint32_t>(field.value));
    return {};
  }));
  return otherwise;
}

Result<std::string> Node::text(std::string_view name, std::string_view otherwise) const {
  const auto found = attributes.find(name);
  std::string_view value = otherwise;
  if (found == attributes.end()) return std::string(value);
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    return field.number == 4 ? setText(field, value) : Result<void>();
  }));
  return std::string(value);
}

Result<Tensor> Node::tensor(std::string_view name) const {
  Tensor tensor;
  const auto found = attributes.find(name);
  if (found == attributes.end()) return tensor;
  CORBEL_CHECK(forEachField(found->second, [&](const Field& field) -> Result<void> {
    if (field.number != 5) return {};
    CORBEL_TRY(const Bytes message, messageOf(field));
    CORBEL_TRY(tensor, readTensor(message));
    return {};
  }));
  return tensor;
}

Result<std::vector<double>> Node::floatsOrTensor(const std::string& name) const {
  if (has(name)) return floats(name);
  CORBEL_TRY(const Tensor values, tensor(name + "_as_tensor"));
  if (values.type == 0) return std::vector<double>();
  return values.reals();
}

// ModelProto: ir_version = 1, graph = 7
Result<Graph> readGraph(Bytes file) {
  Graph graph;
  bool found = false;
  CORBEL_CHECK(forEachField(file, [&](const Field& field) -> Result<void> {
    if (field.number != 7) return {};
    if (std::exchange(found, true)) return unprocessable("the ONNX file has two graphs");
    CORBEL_TRY(const Bytes message, messageOf(field));
    return forEachField(message, [&](const Field& inner) -> Result<void> {
      if (inner.wire != Wire::bytes) return {};
      return readGraphField(inner, graph);
    });
  }));
  if (!found) return unprocessable("the file has no graph, so it is no ONNX model");
  std::erase_if(graph.inputs,
                [&](const Input& input) { return graph.constants.contains(input.name); });
  return graph;
}

}  // namespace corbel::inference::onnx
