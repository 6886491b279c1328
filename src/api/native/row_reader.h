// Rows of a stored file, one after the other, each as the JSON of one input. Private to the module.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inference/input_plan.h"
#include "objects/objects.h"

namespace corbel::native {

enum class RowFormat : std::uint8_t { csv, jsonl, json };
std::string_view name(RowFormat format);
std::optional<RowFormat> parseRowFormat(std::string_view name);

// Of one row: more is a file that is none of rows.
inline constexpr std::size_t kRowBytes = std::size_t{1} << 20;
// A list of inputs is read as a whole.
inline constexpr std::int64_t kJsonFileBytes = std::int64_t{64} << 20;

// For one thread.
class RowReader {
 public:
  virtual ~RowReader() = default;
  // The next row, valid until the next call; nothing at the end. unprocessable: the file cannot be
  // read on (a row of more than kRowBytes, an open quote, a list that is no JSON). Whether a row is
  // an acceptable input is not looked at.
  virtual Result<std::optional<std::string_view>> next() = 0;
  // Of the file, from 0 to 1.
  virtual double position() const = 0;
};

// `file` and `plan` must outlive it. unprocessable: a CSV without names of features in its first
// line, or for a model that takes none.
Result<std::unique_ptr<RowReader>> openRows(const objects::ObjectFile& file, RowFormat format,
                                            const inference::InputPlan& plan);

}  // namespace corbel::native
