#include "inference/input_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ranges>
#include <type_traits>
#include <utility>

namespace corbel::inference {
namespace {

std::string number(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string allowedRange(const InputField& field) {
  const std::string kind = field.kind == FieldKind::integer ? "an integer" : "a number";
  if (field.minimum && field.maximum) return kind + " from " + number(*field.minimum) + " to " + number(*field.maximum);
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
  return fail(ErrorCode::unprocessable, "inputSchema does not fit the model file: " + std::move(message));
}

bool isNumeric(DataType type) { return type != DataType::text; }

bool isOneColumn(const TensorSpec& spec) {
  return spec.shape.size() <= 1 || (spec.shape.size() == 2 && (spec.shape[1] == 1 || spec.shape[1] < 0));
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
    for (const std::string& feature : signature.featureNames) add(feature, FieldKind::number);
  } else if (signature.inputs.size() > 1) {
    for (const TensorSpec& spec : signature.inputs) {
      add(spec.name, isNumeric(spec.type) ? FieldKind::number : FieldKind::text);
    }
  } else if (const auto columns = columnsOf(signature.inputs[0])) {
    for (std::size_t i = 0; i < *columns; ++i) add("f" + std::to_string(i), FieldKind::number);
  }
  return fields;
}

// NaN has no meaning in an integer tensor; fields that may be missing are kept away from those in make().
template <class Number>
Number convert(double value) {
  if constexpr (std::is_floating_point_v<Number>) {
    return static_cast<Number>(value);
  } else {
    return std::isnan(value) ? Number{} : static_cast<Number>(static_cast<std::int64_t>(value));
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
  CORBEL_CHECK(plan.declaration_.image ? plan.planImage(signature) : plan.planFields(signature));
  return plan;
}

Result<void> InputPlan::planImage(const Signature& signature) {
  form_ = InputForm::image;
  const ImagePreprocessing& image = *declaration_.image;
  if (inputs_.size() != 1 || inputs_[0].type != DataType::float32) {
    return unfit("an image needs a model with one float32 input");
  }
  std::size_t wanted = 1;
  for (std::size_t d = 1; d < inputs_[0].shape.size(); ++d) {
    if (inputs_[0].shape[d] > 0) wanted *= static_cast<std::size_t>(inputs_[0].shape[d]);
  }
  const std::size_t given = std::size_t{image.width} * image.height * image.channels;
  const bool free = std::ranges::any_of(inputs_[0].shape | std::views::drop(1), [](auto d) { return d < 0; });
  if (free || wanted == given) return {};
  return unfit("the image gives " + std::to_string(given) + " numbers, the model takes " + std::to_string(wanted) +
               " (" + signature.engine + ")");
}

Result<void> InputPlan::planFields(const Signature& signature) {
  const auto columns = inputs_.size() == 1 ? columnsOf(inputs_[0]) : std::nullopt;
  target_ = columns ? Target::columnsOfOneTensor : Target::oneTensorEach;
  const std::size_t wanted = columns.value_or(inputs_.size());
  const bool tabular = columns || (inputs_.size() > 1 && std::ranges::all_of(inputs_, isOneColumn));
  auto& fields = declaration_.fields;
  if (!tabular) {
    if (!fields.empty()) return unfit("its inputs are not columns; declare an image, or nothing to send tensors");
    form_ = InputForm::tensors;
    return {};
  }
  if (fields.empty()) fields = fieldsOfFile(signature);
  if (fields.size() != wanted) {
    return unfit("it declares " + std::to_string(fields.size()) + " fields, the model takes " + std::to_string(wanted));
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const DataType type = inputs_[target_ == Target::oneTensorEach ? i : 0].type;
    if (type == DataType::text && fields[i].kind == FieldKind::category) fields[i].kind = FieldKind::text;
    if ((type == DataType::text) != (fields[i].kind == FieldKind::text)) {
      return unfit("field '" + fields[i].name + "' must be " + (type == DataType::text ? "a text" : "a number"));
    }
    const bool maybeMissing = fields[i].nullable || !fields[i].required;
    if (maybeMissing && type != DataType::float32 && type != DataType::float64) {
      return unfit("field '" + fields[i].name + "' cannot be missing in a tensor of type " + std::string(name(type)));
    }
    if (!byName_.emplace(fields[i].name, i).second) return unfit("field '" + fields[i].name + "' stands there twice");
    hasTexts_ = hasTexts_ || fields[i].kind == FieldKind::text;
  }
  return {};
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
  if (auto* floats = std::get_if<std::vector<float>>(&tensors[0].values); floats != nullptr && target_ == Target::columnsOfOneTensor) {
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (std::size_t c = 0; c < width; ++c) (*floats)[r * width + c] = static_cast<float>(rows[r].numbers[c]);
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
  const ImagePreprocessing& image = *declaration_.image;
  std::vector<std::int64_t> shape;
  if (inputs_[0].shape.size() == 4) {
    const bool first = image.layout == ImageLayout::channelsFirst;
    shape = first ? std::vector<std::int64_t>{1, image.channels, image.height, image.width}
                  : std::vector<std::int64_t>{1, image.height, image.width, image.channels};
  } else {
    shape = {1, static_cast<std::int64_t>(std::size_t{image.width} * image.height * image.channels)};
  }
  return {Tensor{std::move(shape), preprocess(picture, image)}};
}

}  // namespace corbel::inference
