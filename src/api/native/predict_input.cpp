#include "native/predict_input.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/limits.h"
#include "crypto/encoding.h"
#include "json/cursor.h"

namespace corbel::native {
namespace {

using inference::FieldKind;
using inference::InputPlan;
using inference::InputRow;
using inference::Tensor;
using inference::Tensors;

constexpr std::string_view kInput = "/input";
constexpr std::string_view kTooLarge =
    "must be a number from -1.7976931348623157e308 to 1.7976931348623157e308";

// Collects what is wrong, so that a caller can mend everything at once.
class Problems {
 public:
  void add(std::string_view name, const Error& error) {
    form_ = form_ || error.code != ErrorCode::unprocessable;
    add(name, error.message);
  }
  void addForm(std::string_view name, std::string message) {
    form_ = true;
    add(name, std::move(message));
  }
  // invalid_argument when anything has a wrong form, else unprocessable.
  Result<void> outcome() && {
    if (count_ == 0) return {};
    const ErrorCode code = form_ ? ErrorCode::invalidArgument : ErrorCode::unprocessable;
    std::string message = fields_.front().pointer + ": " + fields_.front().message;
    if (count_ > 1) message += " (and " + std::to_string(count_ - 1) + " more)";
    return std::unexpected(Error{code, std::move(message), {}, std::move(fields_)});
  }

 private:
  void add(std::string_view name, std::string message) {
    ++count_;
    if (fields_.size() < limits::kFieldErrors) {
      fields_.push_back({std::string(kInput) + pointerPart(name), std::move(message)});
    }
  }
  std::vector<FieldError> fields_;
  std::size_t count_ = 0;
  bool form_ = false;
};

std::unexpected<Error> malformed(const json::Cursor& cursor) {
  const FieldError inside = cursor.error().fields.front();
  return failField(std::string(kInput) + inside.pointer, inside.message);
}

std::string wanted(const inference::InputField& field) {
  switch (field.kind) {
    case FieldKind::number:
      return "must be a number";
    case FieldKind::integer:
      return "must be an integer";
    case FieldKind::boolean:
      return "must be true or false";
    case FieldKind::category:
    case FieldKind::text:
      return "must be a text";
  }
  std::unreachable();
}

// Reads the value under the cursor into a field of the row.
void readValue(json::Cursor& cursor, const InputPlan& plan, std::size_t index, InputRow& row,
               std::string_view name, Problems& problems) {
  const inference::InputField& field = plan.fields()[index];
  const auto keep = [&](const Result<void>& outcome) {
    if (!outcome) problems.add(name, outcome.error());
  };
  const bool takesText = field.kind == FieldKind::category || field.kind == FieldKind::text;
  switch (cursor.token()) {
    case json::Token::number:
      if (takesText || field.kind == FieldKind::boolean) break;
      if (const auto number = cursor.number()) {
        if (!std::isfinite(number->value)) return problems.addForm(name, std::string(kTooLarge));
        keep(plan.put(row, index, number->value));
      }
      return;
    case json::Token::boolean:
      if (field.kind != FieldKind::boolean) break;
      return keep(plan.put(row, index, *cursor.boolean() ? 1.0 : 0.0));
    case json::Token::text:
      if (!takesText) break;
      if (const auto text = cursor.text()) keep(plan.put(row, index, *text));
      return;
    case json::Token::null:
      if (!field.nullable) break;
      cursor.null();
      return keep(plan.putMissing(row, index));
    case json::Token::object:
    case json::Token::array:
    case json::Token::none:
      break;
  }
  problems.addForm(name, wanted(field) + ", got " + std::string(json::name(cursor.token())));
  cursor.skip();
}

Result<InputRow> readNamed(json::Cursor& cursor, const InputPlan& plan) {
  InputRow row = plan.blankRow();
  std::vector<bool> seen(plan.fields().size());
  Problems problems;
  std::size_t expected = 0;
  cursor.enterObject();
  while (cursor.nextField()) {
    const auto field = plan.find(cursor.key(), expected);
    if (!field || seen[*field]) {
      const std::string name(cursor.key());
      problems.addForm(name, field ? "stands there twice" : "is not a feature of this model");
      cursor.skip();
      continue;
    }
    seen[*field] = true;
    expected = *field + 1;
    readValue(cursor, plan, *field, row, plan.fields()[*field].name, problems);
  }
  if (!cursor.finish()) return malformed(cursor);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i] || !plan.fields()[i].required) continue;
    problems.addForm(plan.fields()[i].name, "is required");
  }
  CORBEL_CHECK(std::move(problems).outcome());
  return row;
}

Result<InputRow> readListed(json::Cursor& cursor, const InputPlan& plan) {
  InputRow row = plan.blankRow();
  Problems problems;
  std::size_t index = 0;
  cursor.enterArray();
  for (; cursor.nextItem(); ++index) {
    if (index < plan.fields().size()) {
      readValue(cursor, plan, index, row, std::to_string(index), problems);
    } else {
      cursor.skip();
    }
  }
  if (!cursor.finish()) return malformed(cursor);
  if (index != plan.fields().size()) {
    return failField(std::string(kInput), "must hold " + std::to_string(plan.fields().size()) +
                                              " values, got " + std::to_string(index));
  }
  CORBEL_CHECK(std::move(problems).outcome());
  return row;
}

Result<models::PredictionInput> readFields(json::Cursor& cursor, const InputPlan& plan) {
  if (cursor.token() == json::Token::object) return readNamed(cursor, plan);
  if (cursor.token() == json::Token::array) return readListed(cursor, plan);
  return failField(std::string(kInput),
                   "must be an object of named features, or a list of all values, got " +
                       std::string(json::name(cursor.token())));
}

Result<models::PredictionInput> readImage(json::Cursor& cursor, const InputPlan& plan) {
  const auto text = cursor.text();
  if (!text) return failField(std::string(kInput), "must be a text: the base64 of a JPEG or PNG");
  std::string_view encoded = *text;
  if (encoded.starts_with("data:")) {
    const auto comma = encoded.find(";base64,");
    if (comma == std::string_view::npos)
      return failField(std::string(kInput), "must be a data URL with ;base64,");
    encoded.remove_prefix(comma + 8);
  }
  const auto bytes = crypto::fromBase64(encoded);
  if (!bytes) return failField(std::string(kInput), "is not valid base64");
  auto image = inference::decodeImage(std::as_bytes(std::span(*bytes)), plan.image().channels);
  if (!image) return failField(std::string(kInput), image.error().message, image.error().code);
  if (!cursor.finish()) return malformed(cursor);
  return *std::move(image);
}

// The number as an element, if that holds it: integers exactly, floats within their range.
template <class Element>
std::optional<Element> elementOf(const json::Number& number) {
  if constexpr (std::is_integral_v<Element>) {
    if (!number.isInteger || !std::in_range<Element>(number.integer)) return std::nullopt;
    return static_cast<Element>(number.integer);
  } else {
    if (std::abs(number.value) > static_cast<double>(std::numeric_limits<Element>::max()))
      return std::nullopt;
    return static_cast<Element>(number.value);
  }
}

// Nested lists of one tensor. The shape is that of the first element at each depth; all others must
// agree.
class TensorReader {
 public:
  TensorReader(json::Cursor& cursor, const inference::TensorSpec& spec, std::string pointer)
      : cursor_(cursor),
        spec_(spec),
        pointer_(std::move(pointer)),
        tensor_(Tensor::of(spec.type, {0})) {}

  Result<Tensor> read() {
    shape_.assign(spec_.shape.size(), -1);
    CORBEL_CHECK(readDepth(0));
    for (std::size_t d = 0; d < shape_.size(); ++d) {
      const bool fixed = d > 0 && spec_.shape[d] >= 0;
      if (shape_[d] < 1 || (fixed && shape_[d] != spec_.shape[d])) return wrongShape();
    }
    tensor_.shape = shape_;
    return std::move(tensor_);
  }

 private:
  std::unexpected<Error> wrongShape() const {
    std::string shape;
    for (const std::int64_t dimension : spec_.shape) {
      shape += (shape.empty() ? "" : ", ") +
               (dimension < 0 ? std::string("any") : std::to_string(dimension));
    }
    return failField(pointer_, "must be lists of shape [" + shape + "] of type " +
                                   std::string(name(spec_.type)));
  }

  // The depth is bounded by the rank of the model's input.
  Result<void> readDepth(std::size_t depth) {
    if (depth == shape_.size()) return readElement();
    if (cursor_.token() != json::Token::array) return wrongShape();
    cursor_.enterArray();
    std::int64_t count = 0;
    for (; cursor_.nextItem(); ++count) CORBEL_CHECK(readDepth(depth + 1));
    if (shape_[depth] >= 0 && shape_[depth] != count) return wrongShape();
    shape_[depth] = count;
    return {};
  }

  Result<void> readElement() {
    return std::visit(
        [&]<class Element>(std::vector<Element>& values) -> Result<void> {
          if constexpr (std::is_same_v<Element, std::string>) {
            const auto text = cursor_.text();
            if (!text) return wrongShape();
            values.emplace_back(*text);
          } else if constexpr (std::is_same_v<Element, inference::Flag>) {
            const auto flag = cursor_.boolean();
            if (!flag) return wrongShape();
            values.push_back(*flag ? inference::Flag::on : inference::Flag::off);
          } else {
            const auto number = cursor_.number();
            if (number && !std::isfinite(number->value))
              return failField(pointer_, std::string(kTooLarge));
            const auto element = number ? elementOf<Element>(*number) : std::nullopt;
            if (!element) return wrongShape();
            values.push_back(*element);
          }
          return {};
        },
        tensor_.values);
  }

  json::Cursor& cursor_;
  const inference::TensorSpec& spec_;
  std::string pointer_;
  std::vector<std::int64_t> shape_;
  Tensor tensor_;
};

Result<models::PredictionInput> readTensors(json::Cursor& cursor,
                                            const inference::Signature& signature) {
  const auto& inputs = signature.inputs;
  std::vector<std::optional<Tensor>> read(inputs.size());
  if (cursor.token() != json::Token::object) {
    if (inputs.size() != 1)
      return failField(std::string(kInput), "must be an object with a value for each input");
    CORBEL_TRY(read[0], TensorReader(cursor, inputs[0], std::string(kInput)).read());
  } else {
    cursor.enterObject();
    while (cursor.nextField()) {
      const auto spec = std::ranges::find(inputs, cursor.key(), &inference::TensorSpec::name);
      const std::string pointer = std::string(kInput) + pointerPart(cursor.key());
      if (spec == inputs.end()) return failField(pointer, "is not an input of this model");
      auto& target = read[static_cast<std::size_t>(spec - inputs.begin())];
      if (target) return failField(pointer, "stands there twice");
      CORBEL_TRY(target, TensorReader(cursor, *spec, pointer).read());
    }
  }
  if (!cursor.finish()) return malformed(cursor);
  Tensors tensors;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!read[i])
      return failField(std::string(kInput) + pointerPart(inputs[i].name), "is required");
    tensors.push_back(*std::move(read[i]));
  }
  return tensors;
}

}  // namespace

Result<models::PredictionInput> readInput(const InputPlan& plan,
                                          const inference::Signature& signature,
                                          std::string_view json) {
  json::Cursor cursor(json);
  switch (plan.form()) {
    case inference::InputForm::fields:
      return readFields(cursor, plan);
    case inference::InputForm::image:
      return readImage(cursor, plan);
    case inference::InputForm::tensors:
      return readTensors(cursor, signature);
  }
  std::unreachable();
}

}  // namespace corbel::native
