#include "json/assign.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/timestamp.h"
#include "json/cursor.h"
#include "json/number_access.h"
#include "json/rule.h"
#include "json/type.h"
#include "json/wording.h"

namespace corbel::json {
namespace {

std::string mustBe(const Type& type, const Rule& rule, std::string_view got) {
  return fmt::format("must be {}, got {}", expectation(type, rule), got);
}

bool within(const Rule& rule, double value) {
  return (!rule.min || value >= *rule.min) && (!rule.max || value <= *rule.max);
}

Complaint assignPlainText(const Type& type, const Rule& rule, std::string& to,
                          std::string_view text) {
  if (!obeys(rule.format, text)) return mustBe(type, rule, quoted(text));
  const std::size_t length = characters(text);
  if (length < rule.minLength || length > rule.maxLength) {
    return mustBe(type, rule, fmt::format("{} characters", length));
  }
  to = text;
  return std::nullopt;
}

Complaint assignTime(const Type& type, const Rule& rule, Timestamp& to, std::string_view text) {
  const auto time = parseRfc3339(text);
  if (!time) return mustBe(type, rule, quoted(text));
  to = *time;
  return std::nullopt;
}

Complaint assignName(const Type& type, const Rule& rule, void* to, std::string_view text) {
  for (const EnumValue& known : type.values) {
    if (known.name != text) continue;
    storeInteger(type, to, known.value);
    return std::nullopt;
  }
  return mustBe(type, rule, quoted(text));
}

}  // namespace

Complaint assignNumber(const Type& type, const Rule& rule, void* to, const Number& number,
                       std::string_view written) {
  if (!within(rule, number.value)) return mustBe(type, rule, cutValue(written));
  if (type.kind == Kind::integer) {
    const IntegerRange range = rangeOf(type);
    const bool fits =
        number.isInteger && number.integer >= range.min && number.integer <= range.max;
    if (!fits) return mustBe(type, rule, cutValue(written));
    storeInteger(type, to, number.integer);
    return std::nullopt;
  }
  const bool isFloat = type.size == sizeof(float);
  const double largest =
      isFloat ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  if (std::abs(number.value) > largest)
    return mustBe(type, rule, cutValue(written) + ", which is too large");
  if (isFloat) {
    *static_cast<float*>(to) = static_cast<float>(number.value);
  } else {
    *static_cast<double*>(to) = number.value;
  }
  return std::nullopt;
}

Complaint assignText(const Type& type, const Rule& rule, void* to, std::string_view text) {
  switch (type.kind) {
    case Kind::time:
      return assignTime(type, rule, *static_cast<Timestamp*>(to), text);
    case Kind::enumeration:
      return assignName(type, rule, to, text);
    default:
      return assignPlainText(type, rule, *static_cast<std::string*>(to), text);
  }
}

const Field* findField(const Type& object, std::string_view name, std::size_t hint) {
  const std::size_t count = object.fields.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = hint + i < count ? hint + i : hint + i - count;
    if (object.fields[at].name == name) return &object.fields[at];
  }
  return nullptr;
}

Error summarize(std::vector<FieldError> fields) {
  const FieldError& first = fields.front();
  std::string message =
      first.pointer.empty() ? first.message : first.pointer + ": " + first.message;
  const std::size_t others = fields.size() - 1;
  if (fields.size() == limits::kFieldErrors) {
    message += fmt::format(" (and {} or more other problems)", others);
  } else if (others > 0) {
    message += fmt::format(" (and {} other problem{})", others, others == 1 ? "" : "s");
  }
  return {ErrorCode::invalidArgument, std::move(message), {}, std::move(fields)};
}

}  // namespace corbel::json
