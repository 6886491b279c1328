#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/percent.h"
#include "base/result.h"
#include "base/text.h"
#include "json/assign.h"
#include "json/decode.h"
#include "json/rule.h"
#include "json/scan.h"
#include "json/type.h"
#include "json/wording.h"

namespace corbel::json::detail {
namespace {

// Forms write spaces as '+' (WHATWG URL, application/x-www-form-urlencoded).
std::optional<std::string> decodePart(std::string_view part) {
  std::string text(part);
  std::ranges::replace(text, '+', ' ');
  return percentDecode(text);
}

Complaint assign(const Type& type, const Rule& rule, void* to, const std::string& text) {
  const auto refuse = [&] {
    return fmt::format("must be {}, got {}", expectation(type, rule), quoted(text));
  };
  switch (type.kind) {
    case Kind::optional:
      return assign(*type.element, rule, type.container->add(to, {}), text);
    case Kind::boolean:
      if (text != "true" && text != "false") return refuse();
      *static_cast<bool*>(to) = text == "true";
      return std::nullopt;
    case Kind::integer:
    case Kind::number: {
      const auto number = parseNumber(text);
      return number ? assignNumber(type, rule, to, *number, text) : refuse();
    }
    default:
      return assignText(type, rule, to, text);
  }
}

bool isScalar(const Type& type) {
  const Type& inner = type.kind == Kind::optional ? *type.element : type;
  switch (inner.kind) {
    case Kind::boolean:
    case Kind::integer:
    case Kind::number:
    case Kind::text:
    case Kind::time:
    case Kind::enumeration:
      return true;
    case Kind::view:
    case Kind::object:
    case Kind::array:
    case Kind::map:
    case Kind::optional:
    case Kind::patch:
    case Kind::raw:
    case Kind::document:
      return false;
  }
  std::unreachable();
}

class QueryDecoder {
 public:
  QueryDecoder(const Type& type, void* object) : type_(type), object_(object) {}

  Result<void> run(std::string_view query) {
    while (!query.empty() && errors_.size() < limits::kFieldErrors) {
      const std::string_view part = takeUntil(query, '&');
      if (!part.empty()) parameter(part);
    }
    for (std::size_t i = 0; i < type_.fields.size(); ++i) {
      const Field& field = type_.fields[i];
      if (field.required && (seen_ >> i & 1) == 0) report(field.name, "is required");
    }
    if (!errors_.empty()) return std::unexpected(summarize(std::move(errors_)));
    return {};
  }

 private:
  void report(std::string_view name, std::string message) {
    if (errors_.size() == limits::kFieldErrors) return;
    errors_.push_back({"?" + pointerPart(name).substr(1), std::move(message)});
  }

  void parameter(std::string_view part) {
    const auto name = decodePart(takeUntil(part, '='));
    const auto text = decodePart(part);
    if (!name) return report("", "a parameter name is not valid percent-encoded UTF-8");
    const Field* const field = findField(type_, *name, 0);
    if (field == nullptr) return report(*name, unknownField(type_));
    const std::uint64_t bit = std::uint64_t{1} << (field - type_.fields.data());
    if ((seen_ & bit) != 0) return report(*name, "is given twice");
    seen_ |= bit;
    if (!text) return report(*name, "is not valid percent-encoded UTF-8");
    auto complaint = assign(*field->type, field->rule, field->member(object_), *text);
    if (complaint) report(*name, std::move(*complaint));
  }

  const Type& type_;
  void* object_;
  std::uint64_t seen_ = 0;
  std::vector<FieldError> errors_;
};

}  // namespace

Result<void> decodeQueryInto(std::string_view query, const Type& type, void* object) {
  if (!std::ranges::all_of(type.fields, [](const Field& field) { return isScalar(*field.type); })) {
    return fail(ErrorCode::internal, "The query cannot be read.",
                "a query type has members that are not scalars");
  }
  return QueryDecoder(type, object).run(query);
}

}  // namespace corbel::json::detail
