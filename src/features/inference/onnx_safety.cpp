#include "onnx_safety.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "tree_builder.h"

namespace corbel::inference::onnx {
namespace {

using protobuf::Bytes;
using protobuf::Field;
using protobuf::forEachField;
using protobuf::Wire;

constexpr int kMaxNesting = 16;

// A graph or function, whose nodes stand in field `nodeField`.
struct Body {
  Bytes message;
  std::uint32_t nodeField = 0;
  int depth = 0;
};
constexpr std::uint32_t kGraphNode = 1;
constexpr std::uint32_t kFunctionNode = 7;

Result<void> add(std::vector<Body>& bodies, const Body& body) {
  if (body.depth > kMaxNesting) {
    return fail(ErrorCode::unprocessable,
                fmt::format("graphs are nested more than {} deep", kMaxNesting));
  }
  bodies.push_back(body);
  return {};
}

Result<std::string_view> textIn(Bytes message, std::uint32_t number) {
  std::string_view text;
  CORBEL_CHECK(forEachField(message, [&](const Field& field) -> Result<void> {
    if (field.number == number && field.wire == Wire::bytes) text = field.text();
    return {};
  }));
  return text;
}

// AttributeProto: name = 1, ints = 8
Result<void> checkIndexes(std::string_view type, Bytes attribute) {
  CORBEL_TRY(const std::string_view name, textIn(attribute, 1));
  if (name == "classlabels_int64s") return {};
  return forEachField(attribute, [&](const Field& field) -> Result<void> {
    if (field.number != 8) return {};
    std::int64_t least = 0;
    CORBEL_CHECK(protobuf::forEachVarint(field, [&](std::uint64_t bits) {
      least = std::min(least, static_cast<std::int64_t>(bits));
    }));
    if (least >= 0) return {};
    return fail(ErrorCode::unprocessable, fmt::format("{}: {} holds {}; indexes are not negative",
                                                      excerpt(type), excerpt(name), least));
  });
}

// AttributeProto: g = 6, graphs = 11
Result<void> addInnerGraphs(Bytes attribute, int depth, std::vector<Body>& bodies) {
  return forEachField(attribute, [&](const Field& field) -> Result<void> {
    if ((field.number != 6 && field.number != 11) || field.wire != Wire::bytes) return {};
    return add(bodies, {field.bytes, kGraphNode, depth + 1});
  });
}

// NodeProto: op_type = 4, attribute = 5
Result<void> checkNode(Bytes node, int depth, std::vector<Body>& bodies) {
  CORBEL_TRY(const std::string_view type, textIn(node, 4));
  const bool isTrees = type.starts_with("TreeEnsemble");
  return forEachField(node, [&](const Field& field) -> Result<void> {
    if (field.number != 5 || field.wire != Wire::bytes) return {};
    if (isTrees) return checkIndexes(type, field.bytes);
    return addInnerGraphs(field.bytes, depth, bodies);
  });
}

// ModelProto: graph = 7, functions = 25
Result<std::vector<Body>> bodiesOf(Bytes file) {
  std::vector<Body> bodies;
  CORBEL_CHECK(forEachField(file, [&](const Field& field) -> Result<void> {
    if (field.wire != Wire::bytes) return {};
    if (field.number == 7) return add(bodies, {field.bytes, kGraphNode, 0});
    if (field.number == 25) return add(bodies, {field.bytes, kFunctionNode, 0});
    return {};
  }));
  return bodies;
}

}  // namespace

Result<void> checkTreeIndexes(Bytes file) {
  CORBEL_TRY(std::vector<Body> bodies, bodiesOf(file));
  while (!bodies.empty()) {
    const Body body = bodies.back();
    bodies.pop_back();
    CORBEL_CHECK(forEachField(body.message, [&](const Field& field) -> Result<void> {
      if (field.number != body.nodeField || field.wire != Wire::bytes) return {};
      return checkNode(field.bytes, body.depth, bodies);
    }));
  }
  return {};
}

}  // namespace corbel::inference::onnx
