// How named, checked values become the tensors of one model version. Joins what the model file says
// of its inputs with what the registrant declared. Knows no wire format: callers hand in numbers
// and texts field by field.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "inference/image.h"
#include "inference/model.h"
#include "inference/tensor.h"

namespace corbel::inference {

enum class FieldKind : std::uint8_t { number, integer, boolean, category, text };

// One named value of the input and the rules it must keep.
struct InputField {
  std::string name;
  FieldKind kind = FieldKind::number;
  bool required = true;
  bool nullable = false;  // null stands for a missing value
  std::optional<double> minimum;
  std::optional<double> maximum;
  std::vector<std::string>
      categories;  // of FieldKind::category: the text's position is the number the model sees
};

// What the registrant declared; everything empty: nothing.
struct InputDeclaration {
  std::vector<InputField> fields;  // in the order of the model's columns
  std::optional<ImagePreprocessing> image;
};

// The values of one row. A number that is missing is NaN.
struct InputRow {
  std::vector<double> numbers;     // one a field
  std::vector<std::string> texts;  // one a field, or empty when the plan has no text field
};

enum class InputForm : std::uint8_t { fields, image, tensors };

class InputPlan {
 public:
  static constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

  // unprocessable: the declaration does not fit the file (another number of columns, an image for a
  // text input ...); the message says what the file wants.
  static Result<InputPlan> make(const Signature& signature, InputDeclaration declaration);

  // fields: a row of named values. image: a picture. tensors: values by the names and shapes of the
  // file alone.
  InputForm form() const { return form_; }
  const std::vector<InputField>& fields() const { return declaration_.fields; }
  const ImagePreprocessing& image() const { return *declaration_.image; }
  bool hasTexts() const { return hasTexts_; }

  // The field of that name; `expected` is tried first, so that values in the order of the fields
  // cost no lookup.
  std::optional<std::size_t> find(std::string_view name, std::size_t expected) const;

  InputRow blankRow() const;
  // Checks a value against the field's rules and puts it into the row. The message has no field
  // name: "must be a number from 0 to 130, got 200". invalid_argument: of another kind, or beyond
  // the tensor's type. unprocessable: out of range or an unknown category.
  Result<void> put(InputRow& row, std::size_t field, double number) const;
  Result<void> put(InputRow& row, std::size_t field, std::string_view text) const;
  // Allowed when the field is nullable (null) or not required (left out).
  Result<void> putMissing(InputRow& row, std::size_t field) const;

  Tensors tensorsOf(std::span<const InputRow> rows) const;
  // `picture` has image().channels.
  Tensors tensorsOf(const Image& picture) const;

 private:
  enum class Target : std::uint8_t { columnsOfOneTensor, oneTensorEach };

  Result<void> planFields(const Signature& signature);
  Result<void> planField(std::size_t index);
  Result<void> planImage();
  std::vector<std::int64_t> imageShape() const;
  DataType typeOf(std::size_t field) const;

  InputDeclaration declaration_;
  std::vector<TensorSpec> inputs_;
  InputForm form_ = InputForm::fields;
  Target target_ = Target::columnsOfOneTensor;
  bool hasTexts_ = false;
  std::unordered_map<std::string, std::size_t> byName_;
};

}  // namespace corbel::inference
