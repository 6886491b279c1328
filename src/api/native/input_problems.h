// What is wrong with the input of a prediction, all of it at once.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/limits.h"
#include "base/result.h"
#include "json/cursor.h"

namespace corbel::native {

inline constexpr std::string_view kInput = "/input";
inline constexpr std::string_view kTooLarge =
    "must be a number from -1.7976931348623157e308 to 1.7976931348623157e308";

// Collects what is wrong below /input, so that a caller can mend everything at once.
class Problems {
 public:
  void add(std::string_view name, const Error& error) {
    form_ = form_ || error.code != ErrorCode::unprocessable;
    keep(pointerPart(name), error.message);
  }
  void addForm(std::string_view name, std::string message) {
    addFormAt(pointerPart(name), std::move(message));
  }
  // `pointer` is below /input.
  void addFormAt(const std::string& pointer, std::string message) {
    form_ = true;
    keep(pointer, std::move(message));
  }
  // One more that is not told: there are limits::kFieldErrors already.
  bool isFull() const { return fields_.size() >= limits::kFieldErrors; }
  void addUntold() {
    form_ = true;
    ++count_;
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
  void keep(const std::string& pointer, std::string message) {
    ++count_;
    if (!isFull()) fields_.push_back({std::string(kInput) + pointer, std::move(message)});
  }
  std::vector<FieldError> fields_;
  std::size_t count_ = 0;
  bool form_ = false;
};

// The text breaks inside the input.
inline std::unexpected<Error> malformed(const json::Cursor& cursor) {
  const FieldError inside = cursor.error().fields.front();
  return failField(std::string(kInput) + inside.pointer, inside.message);
}

}  // namespace corbel::native
