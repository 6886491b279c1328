#include "native/tensor_input.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "native/input_problems.h"

namespace corbel::native {
namespace {

using inference::Tensor;
using inference::Tensors;
using inference::TensorSpec;

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

std::string shapeText(const TensorSpec& spec) {
  std::string shape;
  for (const std::int64_t dimension : spec.shape) {
    shape += (shape.empty() ? "" : ", ") +
             (dimension < 0 ? std::string("any") : std::to_string(dimension));
  }
  return "[" + shape + "]";
}

// Nested lists of one tensor. Where the model leaves a dimension free, the first list at that depth
// says how long all others must be.
class TensorReader {
 public:
  TensorReader(json::Cursor& cursor, const TensorSpec& spec, std::string pointer,
               Problems& problems)
      : cursor_(cursor),
        spec_(spec),
        pointer_(std::move(pointer)),
        problems_(problems),
        tensor_(Tensor::of(spec.type, {0})) {}

  // Complete only when nothing was added to the problems.
  Tensor read() {
    tensor_.shape.assign(spec_.shape.size(), -1);
    for (std::size_t d = 1; d < spec_.shape.size(); ++d) tensor_.shape[d] = spec_.shape[d];
    readDepth(0);
    return std::move(tensor_);
  }

 private:
  void report(const std::string& message) {
    if (cursor_.failed()) return;
    if (problems_.isFull()) return problems_.addUntold();
    std::string pointer = pointer_;
    for (const std::size_t place : places_) pointer += "/" + std::to_string(place);
    problems_.addFormAt(pointer, message);
  }
  void reportShape(const std::string& message) {
    report(message + "; the shape is " + shapeText(spec_));
  }
  void reportKind(std::string_view wanted) {
    report("must be " + std::string(wanted) + ", got " + std::string(name(cursor_.token())));
    cursor_.skip();
  }

  // The depth is bounded by the rank of the model's input.
  void readDepth(std::size_t depth) {
    if (depth == tensor_.shape.size()) return readElement();
    if (cursor_.token() != json::Token::array) {
      reportShape("must be a list, got " + std::string(name(cursor_.token())));
      cursor_.skip();
      return;
    }
    cursor_.enterArray();
    places_.push_back(0);
    for (; cursor_.nextItem(); ++places_.back()) readDepth(depth + 1);
    const auto count = static_cast<std::int64_t>(places_.back());
    places_.pop_back();
    std::int64_t& expected = tensor_.shape[depth];
    if (count == 0 && expected <= 0) return reportShape("must hold at least one value");
    if (expected < 0) expected = count;
    if (count != expected) {
      reportShape("must hold " + std::to_string(expected) + " values, got " +
                  std::to_string(count));
    }
  }

  void readElement() {
    std::visit([&]<class Element>(std::vector<Element>& values) { readElement(values); },
               tensor_.values);
  }
  void readElement(std::vector<std::string>& values) {
    const auto text = cursor_.text();
    if (!text) return reportKind("a text");
    values.emplace_back(*text);
  }
  void readElement(std::vector<inference::Flag>& values) {
    const auto flag = cursor_.boolean();
    if (!flag) return reportKind("true or false");
    values.push_back(*flag ? inference::Flag::on : inference::Flag::off);
  }
  template <class Element>
  void readElement(std::vector<Element>& values) {
    const std::string_view written = cursor_.peek();
    const auto number = cursor_.number();
    if (!number) return reportKind(std::is_integral_v<Element> ? "an integer" : "a number");
    if (const auto element = elementOf<Element>(*number)) return values.push_back(*element);
    if (!std::isfinite(number->value)) return report(std::string(kTooLarge));
    report("must fit the model's " + std::string(inference::name(spec_.type)) + ", got " +
           std::string(written.substr(0, 40)));
  }

  json::Cursor& cursor_;
  const TensorSpec& spec_;
  const std::string pointer_;
  Problems& problems_;
  std::vector<std::size_t> places_;  // the item stood on, in each list around the cursor
  Tensor tensor_;
};

void readNamedTensors(json::Cursor& cursor, const std::vector<TensorSpec>& inputs,
                      std::vector<std::optional<Tensor>>& read, Problems& problems) {
  cursor.enterObject();
  while (cursor.nextField()) {
    const std::string name(cursor.key());
    const auto spec = std::ranges::find(inputs, name, &TensorSpec::name);
    if (spec == inputs.end()) {
      problems.addForm(name, "is not an input of this model");
      cursor.skip();
      continue;
    }
    auto& target = read[static_cast<std::size_t>(spec - inputs.begin())];
    if (target) {
      problems.addForm(name, "stands there twice");
      cursor.skip();
      continue;
    }
    target = TensorReader(cursor, *spec, pointerPart(name), problems).read();
  }
}

}  // namespace

Result<Tensors> readTensors(json::Cursor& cursor, const inference::Signature& signature) {
  const auto& inputs = signature.inputs;
  std::vector<std::optional<Tensor>> read(inputs.size());
  Problems problems;
  if (cursor.token() == json::Token::object) {
    readNamedTensors(cursor, inputs, read, problems);
  } else if (inputs.size() == 1) {
    read[0] = TensorReader(cursor, inputs[0], "", problems).read();
  } else {
    return failField(std::string(kInput), "must be an object with a value for each input");
  }
  if (!cursor.finish()) return malformed(cursor);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!read[i]) problems.addForm(inputs[i].name, "is required");
  }
  CORBEL_CHECK(std::move(problems).outcome());
  Tensors tensors;
  for (auto& tensor : read) tensors.push_back(*std::move(tensor));
  return tensors;
}

}  // namespace corbel::native
