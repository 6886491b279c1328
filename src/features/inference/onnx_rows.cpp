#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "onnx_values.h"

namespace corbel::inference::onnx {
namespace {

std::unexpected<Error> unprocessable(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

Result<void> append(Values& values, const Node& node, Row row, Transform transform) {
  row.precision = transform.precision;
  row.narrowed = false;
  row.transforms.push_back(std::make_shared<const Transform>(std::move(transform)));
  return values.set(node.outputs[0], std::move(row));
}

// ONNX-ML's row operators compute in float; for doubles only ONNX Runtime knows the rounding.
Result<Row> floatRow(Values& values, const Node& node) {
  CORBEL_TRY(Row row, values.input<Row>(node, 0, "a row"));
  if (row.precision == Precision::float64) return notTabular("rows of doubles");
  return row;
}

Result<void> widen(Row& row, std::size_t columns) {
  if (columns == 1) return {};
  if (row.width == 0) row.width = static_cast<std::uint32_t>(columns);
  if (row.width == columns) return {};
  return unprocessable(fmt::format("{} values for rows of {} columns", columns, row.width));
}

Result<void> scaler(Values& values, const Node& node) {
  CORBEL_TRY(Row row, floatRow(values, node));
  Scaler scaler;
  CORBEL_TRY(scaler.offset, node.floats("offset"));
  CORBEL_TRY(scaler.scale, node.floats("scale"));
  CORBEL_CHECK(widen(row, scaler.offset.size()));
  CORBEL_CHECK(widen(row, scaler.scale.size()));
  return append(values, node, std::move(row), {std::move(scaler), Precision::float32});
}

Result<void> normalizer(Values& values, const Node& node) {
  CORBEL_TRY(const std::string norm, node.text("norm", "MAX"));
  if (norm != "MAX" && norm != "L1" && norm != "L2") {
    return unprocessable(fmt::format("norm: must be MAX, L1 or L2, got \"{}\"", excerpt(norm)));
  }
  CORBEL_TRY(Row row, floatRow(values, node));
  const Normalizer step{norm == "MAX"  ? Normalizer::Norm::max
                        : norm == "L1" ? Normalizer::Norm::l1
                                       : Normalizer::Norm::l2};
  return append(values, node, std::move(row), {step, Precision::float32});
}

Result<void> imputer(Values& values, const Node& node) {
  CORBEL_TRY(Row row, values.input<Row>(node, 0, "a row"));
  Imputer imputer;
  CORBEL_TRY(imputer.values, node.floats("imputed_value_floats"));
  CORBEL_TRY(imputer.missing, node.real("replaced_value_float", 0));
  if (imputer.values.empty()) return notTabular("no imputed_value_floats");
  CORBEL_CHECK(widen(row, imputer.values.size()));
  const Precision precision = row.precision;
  return append(values, node, std::move(row), {std::move(imputer), precision});
}

Result<void> concat(Values& values, const Node& node) {
  CORBEL_TRY(const std::int64_t axis, node.integer("axis", 1));
  if (axis != 1 && axis != -1) return notTabular("joins rows, not columns");
  Row joined;
  std::vector<std::size_t> inputs;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    CORBEL_TRY(const Row row, values.input<Row>(node, i, "a row"));
    if (!row.transforms.empty() || row.width == 0) {
      return notTabular("joins columns after transforming them");
    }
    if (i == 0) joined = Row{nullptr, {}, row.precision, row.narrowed, 0};
    if (row.precision != joined.precision || row.narrowed != joined.narrowed) {
      return notTabular("joins columns of several types");
    }
    inputs.insert(inputs.end(), row.inputs->begin(), row.inputs->end());
    joined.width += row.width;
    if (joined.width > kMaxFeatures) return unprocessable("joins too many columns");
  }
  joined.inputs = std::make_shared<const std::vector<std::size_t>>(std::move(inputs));
  return values.set(node.outputs[0], std::move(joined));
}

Result<void> identity(Values& values, const Node& node) {
  const Value* value = values.find(node.inputs[0]);
  if (value == nullptr) return notTabular("its input is not known");
  return values.set(node.outputs[0], Value(*value));
}

Result<void> cast(Values& values, const Node& node) {
  const Value* value = values.find(node.inputs[0]);
  if (value == nullptr) return notTabular("its input is not known");
  if (!std::holds_alternative<Row>(*value)) return values.set(node.outputs[0], Value(*value));
  Row row = std::get<Row>(*value);
  CORBEL_TRY(const std::int64_t type, node.integer("to", 0));
  if (type == kFloat) {
    row.narrowed = row.narrowed || row.precision == Precision::float64;
    row.precision = Precision::float32;
  } else if (type == kDouble && !row.narrowed) {
    row.precision = Precision::float64;
  } else {
    return notTabular(fmt::format("to type {}", type));
  }
  return values.set(node.outputs[0], std::move(row));
}

// Add, Sub, Mul and Div with a constant.
Result<void> arithmetic(Values& values, const Node& node) {
  CORBEL_TRY(Row row, values.input<Row>(node, 0, "a row"));
  CORBEL_TRY(std::vector<double> constants, constantRow(values, node));
  CORBEL_CHECK(widen(row, constants.size()));
  using Operation = Arithmetic::Operation;
  const Operation operation = node.type == "Add"   ? Operation::add
                              : node.type == "Sub" ? Operation::subtract
                              : node.type == "Mul" ? Operation::multiply
                                                   : Operation::divide;
  const Precision precision = row.precision;
  return append(values, node, std::move(row),
                {Arithmetic{operation, std::move(constants)}, precision});
}

constexpr StepName kSteps[] = {
    {"ai.onnx.ml", "Scaler", scaler},
    {"ai.onnx.ml", "Normalizer", normalizer},
    {"ai.onnx.ml", "Imputer", imputer},
    {"ai.onnx.ml", "FeatureVectorizer", concat},
    {"", "Concat", concat},
    {"", "Identity", identity},
    {"", "Cast", cast},
    {"", "Add", arithmetic},
    {"", "Sub", arithmetic},
    {"", "Mul", arithmetic},
    {"", "Div", arithmetic},
};

}  // namespace

Result<std::vector<double>> constantRow(const Values& values, const Node& node) {
  const Tensor* const tensor = values.constant(node, 1);
  if (tensor == nullptr) return notTabular("its input 1 is not a constant");
  for (std::size_t i = 0; i + 1 < tensor->dims.size(); ++i) {
    if (tensor->dims[i] != 1) return notTabular("its constant is not a row");
  }
  return tensor->reals();
}

Step rowStep(const Node& node) { return findStep(kSteps, node); }

}  // namespace corbel::inference::onnx
