#include "inference/input_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ranges>
#include <type_traits>
#include <utility>

#include "base/limits.h"

namespace corbel::inference {
namespace {

std::string number(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string allowedRange(const InputField& field) {
  const std::string kind = field.kind == FieldKind::integer ? "an integer" : "a number";
  if (field.minimum && field.maximum)
    return kind + " from " + number(*field.minimum) + " to " + number(*field.maximum);
  if (field.minimum) return kind + ", at least " + number(*field.minimum);
  return kind + ", at most " + number(*field.maximum);
}

// At most this many categories are listed in a message.
constexpr std::size_t kListed = 10;

std::string listed(const std::vector<std::string>& categories) {
  std::string text;
  for (std::size_t i = 0; i < std::min(categories.size(), kListed); ++i) {
    text += (i > 0 ? ", \"" : "\"") + categories[i] + "\"";
  }
  return categories.size() > kListed ? text + ", ..." : text;
}

std::unexpected<Error> againstRules(std::string message) {
  return fail(ErrorCode::unprocessable, std::move(message));
}

std::unexpected<Error> unfit(std::string message) {
  return fail(ErrorCode::unprocessable,
              "inputSchema does not fit the model file: " + std::move(message));
}

bool isInteger(DataType type) {
  return type == DataType::int64 || type == DataType::int32 || type == DataType::uint8;
}

template <class Integer>
bool holds(double value) {
  // Beyond 2^53 a double no longer tells neighbouring integers apart.
  constexpr double kExact = 9007199254740992.0;
  return std::abs(value) <= kExact && std::in_range<Integer>(static_cast<std::int64_t>(value));
}

bool holds(DataType type, double value) {
  switch (type) {
    case DataType::float32:
      return std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max());
    case DataType::int64:
      return holds<std::int64_t>(value);
    case DataType::int32:
      return holds<std::int32_t>(value);
    case DataType::uint8:
      return holds<std::uint8_t>(value);
    case DataType::float64:
    case DataType::boolean:
    case DataType::text:
      return std::isfinite(value);
  }
  std::unreachable();
}

// What a number must be to have its exact meaning in a tensor of this type.
FieldKind kindFor(DataType type) {
  if (type == DataType::text) return FieldKind::text;
  if (type == DataType::boolean) return FieldKind::boolean;
  return isInteger(type) ? FieldKind::integer : FieldKind::number;
}

// Scalars hold no rows, so they are no columns.
bool isOneColumn(const TensorSpec& spec) {
  return spec.shape.size() == 1 ||
         (spec.shape.size() == 2 && (spec.shape[1] == 1 || spec.shape[1] < 0));
}

std::unexpected<Error> unfitImage(std::string message) {
  return fail(
      ErrorCode::unprocessable,
      "configuration.preprocessing.image does not fit the model file: " + std::move(message));
}

std::string shapeText(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t dimension : shape) {
    text += (text.empty() ? "" : ", ") +
            (dimension < 0 ? std::string("any") : std::to_string(dimension));
  }
  return "[" + text + "]";
}

// The width of a [rows, columns] tensor; nothing when it is of another shape.
std::optional<std::size_t> columnsOf(const TensorSpec& spec) {
  if (spec.shape.size() != 2 || spec.shape[1] < 1) return std::nullopt;
  return static_cast<std::size_t>(spec.shape[1]);
}

std::vector<InputField> fieldsOfFile(const Signature& signature) {
  std::vector<InputField> fields;
  const auto add = [&](std::string fieldName, FieldKind kind) {
    InputField field;
    field.name = std::move(fieldName);
    field.kind = kind;
    field.nullable = signature.acceptsMissing;
    fields.push_back(std::move(field));
  };
  if (!signature.featureNames.empty()) {
    for (const std::string& feature : signature.featureNames)
      add(feature, kindFor(signature.inputs[0].type));
  } else if (signature.inputs.size() > 1) {
    for (const TensorSpec& spec : signature.inputs) add(spec.name, kindFor(spec.type));
  } else if (const auto columns = columnsOf(signature.inputs[0])) {
    for (std::size_t i = 0; i < *columns; ++i)
      add("f" + std::to_string(i), kindFor(signature.inputs[0].type));
  }
  return fields;
}

// put() keeps integer tensors free of what they cannot hold, make() keeps missing values away from
// them.
template <class Number>
Number convert(double value) {
  if constexpr (std::is_floating_point_v<Number>) {
    return static_cast<Number>(value);
  } else {
    return static_cast<Number>(static_cast<std::int64_t>(value));
  }
}

void store(Tensor& tensor, std::size_t index, double value, const std::string& text) {
  std::visit(
      [&]<class Element>(std::vector<Element>& values) {
        if constexpr (std::is_same_v<Element, std::string>) {
          values[index] = text;
        } else {
          values[index] = convert<Element>(value);
        }
      },
      tensor.values);
}

}  // namespace

Result<InputPlan> InputPlan::make(const Signature& signature, InputDeclaration declaration) {
  InputPlan plan;
  plan.declaration_ = std::move(declaration);
  plan.inputs_ = signature.inputs;
  CORBEL_CHECK(plan.declaration_.image ? plan.planImage() : plan.planFields(signature));
  return plan;
}

Result<void> InputPlan::planImage() {
  form_ = InputForm::image;
  if (inputs_.size() != 1 || inputs_[0].type != DataType::float32) {
    return unfitImage("an image needs a model with one float32 input");
  }
  const auto given = imageShape();
  const auto& wanted = inputs_[0].shape;
  const auto fits = [](std::int64_t takes, std::int64_t gets) {
    return takes < 0 || takes == gets;
  };
  if (std::ranges::equal(wanted, given, fits)) return {};
  return unfitImage("the image gives " + shapeText(given) + ", the model takes " +
                    shapeText(wanted));
}

// [1, channels, height, width] in the declared order where the model has four dimensions, else one
// row of numbers.
std::vector<std::int64_t> InputPlan::imageShape() const {
  const ImagePreprocessing& image = *declaration_.image;
  if (inputs_[0].shape.size() != 4)
    return {1, std::int64_t{image.width} * image.height * image.channels};
  if (image.layout == ImageLayout::channelsFirst)
    return {1, image.channels, image.height, image.width};
  return {1, image.height, image.width, image.channels};
}

Result<void> InputPlan::planFields(const Signature& signature) {
  const auto columns = inputs_.size() == 1 ? columnsOf(inputs_[0]) : std::nullopt;
  target_ = columns ? Target::columnsOfOneTensor : Target::oneTensorEach;
  const std::size_t wanted = columns.value_or(inputs_.size());
  const bool tabular = columns || (inputs_.size() > 1 && std::ranges::all_of(inputs_, isOneColumn));
  auto& fields = declaration_.fields;
  if (!tabular) {
    if (!fields.empty())
      return unfit("its inputs are not columns; declare an image, or nothing to send tensors");
    form_ = InputForm::tensors;
    return {};
  }
  if (wanted > limits::kInputFields) {
    return fail(ErrorCode::unprocessable, "model file: it takes " + std::to_string(wanted) +
                                              " values a row; at most " +
                                              std::to_string(limits::kInputFields) + " are served");
  }
  if (fields.empty()) fields = fieldsOfFile(signature);
  if (fields.size() != wanted) {
    return unfit("it declares " + std::to_string(fields.size()) + " fields, the model takes " +
                 std::to_string(wanted));
  }
  for (std::size_t i = 0; i < fields.size(); ++i) CORBEL_CHECK(planField(i));
  return {};
}

Result<void> InputPlan::planField(std::size_t index) {
  InputField& field = declaration_.fields[index];
  const DataType type = typeOf(index);
  if (type == DataType::text && field.kind == FieldKind::category) field.kind = FieldKind::text;
  if ((type == DataType::text) != (field.kind == FieldKind::text)) {
    return unfit("field '" + field.name + "' must be " +
                 (type == DataType::text ? "a text" : "a number"));
  }
  if (isInteger(type) && field.kind == FieldKind::number) field.kind = FieldKind::integer;
  const bool maybeMissing = field.nullable || !field.required;
  if (maybeMissing && type != DataType::float32 && type != DataType::float64) {
    return unfit("field '" + field.name + "' cannot be missing in a tensor of type " +
                 std::string(name(type)));
  }
  if (field.kind == FieldKind::category &&
      !holds(type, static_cast<double>(field.categories.size()))) {
    return unfit("field '" + field.name + "' has more categories than the model's " +
                 std::string(name(type)) + " holds");
  }
  if (!byName_.emplace(field.name, index).second)
    return unfit("field '" + field.name + "' stands there twice");
  hasTexts_ = hasTexts_ || field.kind == FieldKind::text;
  return {};
}

DataType InputPlan::typeOf(std::size_t field) const {
  return inputs_[target_ == Target::oneTensorEach ? field : 0].type;
}

std::optional<std::size_t> InputPlan::find(std::string_view name, std::size_t expected) const {
  const auto& fields = declaration_.fields;
  if (expected < fields.size() && fields[expected].name == name) return expected;
  const auto found = byName_.find(std::string(name));
  return found == byName_.end() ? std::nullopt : std::optional(found->second);
}

InputRow InputPlan::blankRow() const {
  InputRow row;
  row.numbers.assign(fields().size(), kMissing);
  if (hasTexts_) row.texts.resize(fields().size());
  return row;
}

Result<void> InputPlan::put(InputRow& row, std::size_t index, double value) const {
  const InputField& field = declaration_.fields[index];
  if (field.kind == FieldKind::category || field.kind == FieldKind::text) {
    return fail(ErrorCode::invalidArgument, "must be a text, got a number");
  }
  if (field.kind == FieldKind::integer && value != std::floor(value)) {
    return fail(ErrorCode::invalidArgument, "must be an integer, got " + number(value));
  }
  if ((field.minimum && value < *field.minimum) || (field.maximum && value > *field.maximum)) {
    return againstRules("must be " + allowedRange(field) + ", got " + number(value));
  }
  if (!holds(typeOf(index), value)) {
    return fail(
        ErrorCode::invalidArgument,
        "must fit the model's " + std::string(name(typeOf(index))) + ", got " + number(value));
  }
  row.numbers[index] = value;
  return {};
}

Result<void> InputPlan::put(InputRow& row, std::size_t index, std::string_view text) const {
  const InputField& field = declaration_.fields[index];
  if (field.kind != FieldKind::category && field.kind != FieldKind::text) {
    return fail(ErrorCode::invalidArgument, "must be a number, got a text");
  }
  const auto category = std::ranges::find(field.categories, text);
  if (!field.categories.empty() && category == field.categories.end()) {
    return againstRules("is not a category the model knows; it knows " + listed(field.categories));
  }
  if (field.kind == FieldKind::text) {
    row.texts[index] = text;
  } else {
    row.numbers[index] = static_cast<double>(category - field.categories.begin());
  }
  return {};
}

Result<void> InputPlan::putMissing(InputRow& row, std::size_t index) const {
  const InputField& field = declaration_.fields[index];
  if (!field.nullable && field.required) return fail(ErrorCode::invalidArgument, "is required");
  row.numbers[index] = kMissing;
  return {};
}

Tensors InputPlan::tensorsOf(std::span<const InputRow> rows) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  static const std::string kNoText;
  Tensors tensors;
  for (const TensorSpec& spec : inputs_) {
    auto shape = spec.shape;
    if (!shape.empty()) shape[0] = count;
    if (target_ == Target::oneTensorEach && shape.size() == 2) shape[1] = 1;
    tensors.push_back(Tensor::of(spec.type, std::move(shape)));
  }
  const std::size_t width = fields().size();
  if (auto* floats = std::get_if<std::vector<float>>(&tensors[0].values);
      floats != nullptr && target_ == Target::columnsOfOneTensor) {
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (std::size_t c = 0; c < width; ++c)
        (*floats)[r * width + c] = static_cast<float>(rows[r].numbers[c]);
    }
    return tensors;
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < width; ++c) {
      const std::string& text = hasTexts_ ? rows[r].texts[c] : kNoText;
      const bool each = target_ == Target::oneTensorEach;
      store(tensors[each ? c : 0], each ? r : r * width + c, rows[r].numbers[c], text);
    }
  }
  return tensors;
}

Tensors InputPlan::tensorsOf(const Image& picture) const {
  return {Tensor{imageShape(), preprocess(picture, *declaration_.image)}};
}

}  // namespace corbel::inference
