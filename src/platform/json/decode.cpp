#include "json/decode.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "json/assign.h"
#include "json/cursor.h"
#include "json/repeated_name.h"
#include "json/rule.h"
#include "json/type.h"
#include "json/values.h"
#include "json/wording.h"

namespace corbel::json::detail {
namespace {

class Decoder {
 public:
  Decoder(std::string_view json, Policy policy) : cursor_(json), policy_(policy) {}

  Result<void> run(const Type& type, void* object) {
    value(type, Rule{}, object);
    if (!full()) cursor_.finish();
    if (cursor_.failed()) return std::unexpected(cursor_.error());
    if (!errors_.empty()) return std::unexpected(summarize(std::move(errors_)));
    return {};
  }

 private:
  // One step from the root: the name of a field, else the place in a list.
  struct Step {
    std::string_view name;
    std::size_t place = 0;
    bool isName = true;
  };

  bool full() const { return errors_.size() >= limits::kFieldErrors; }

  void report(std::string message) {
    std::string pointer;
    for (const Step& step : path_)
      pointer += step.isName ? pointerPart(step.name) : fmt::format("/{}", step.place);
    if (!full()) errors_.push_back({std::move(pointer), std::move(message)});
  }

  void reportAt(std::string_view name, std::string message) {
    path_.push_back({.name = name});
    report(std::move(message));
    path_.pop_back();
  }

  void refuseKind(const Type& type, const Rule& rule) {
    if (cursor_.failed()) return;
    report(fmt::format("must be {}, got {}", expectation(type, rule), describeValue(cursor_)));
    cursor_.skip();
  }

  // Recursion ends where the cursor refuses to nest deeper.
  void value(const Type& type, const Rule& rule, void* to) {
    switch (type.kind) {
      case Kind::boolean:
        return boolean(type, rule, to);
      case Kind::integer:
      case Kind::number:
        return number(type, rule, to);
      case Kind::text:
      case Kind::view:
      case Kind::time:
      case Kind::enumeration:
        return text(type, rule, to);
      case Kind::object:
        return object(type, rule, to);
      case Kind::array:
        return array(type, rule, to);
      case Kind::map:
        return map(type, rule, to);
      case Kind::optional:
        if (!cursor_.null()) value(*type.element, rule, type.container->add(to, {}));
        return;
      case Kind::patch:
        return patch(type, rule, to);
      case Kind::raw:
        static_cast<Raw*>(to)->text = cursor_.raw().value_or("null");
        return;
      case Kind::document:
        return document(*static_cast<Document*>(to));
    }
  }

  void boolean(const Type& type, const Rule& rule, void* to) {
    const auto value = cursor_.boolean();
    if (!value) return refuseKind(type, rule);
    *static_cast<bool*>(to) = *value;
  }

  void number(const Type& type, const Rule& rule, void* to) {
    const std::string_view written = cursor_.peek();
    const auto number = cursor_.number();
    if (!number) return refuseKind(type, rule);
    if (auto complaint = assignNumber(type, rule, to, *number, written))
      report(std::move(*complaint));
  }

  void text(const Type& type, const Rule& rule, void* to) {
    const auto text = cursor_.text();
    if (!text) return refuseKind(type, rule);
    if (auto complaint = assignText(type, rule, to, *text)) report(std::move(*complaint));
  }

  void patch(const Type& type, const Rule& rule, void* to) {
    if (cursor_.null()) return type.container->setNull(to);
    value(*type.element, rule, type.container->add(to, {}));
  }

  void document(Document& to) {
    const auto text = cursor_.raw();
    if (!text) return;
    to.text = *text;
    if (const auto name = repeatedName(*text))
      report(fmt::format("gives the name {} twice", quoted(*name)));
  }

  void object(const Type& type, const Rule& rule, void* to) {
    if (cursor_.token() != Token::object) return refuseKind(type, rule);
    std::uint64_t seen = 0;
    std::size_t hint = 0;
    if (!cursor_.enterObject()) return;
    while (!full() && cursor_.nextField()) {
      const Field* const field = findField(type, cursor_.key(), hint);
      if (field == nullptr) {
        passOver(type);
        continue;
      }
      const auto at = static_cast<std::size_t>(field - type.fields.data());
      const std::uint64_t bit = std::uint64_t{1} << at;
      path_.push_back({.name = field->name});
      (seen & bit) == 0 ? member(*field, to) : refuseRepeated();
      path_.pop_back();
      seen |= bit;
      hint = at + 1;
    }
    if (!cursor_.failed()) reportMissing(type, seen);
  }

  void member(const Field& field, void* object) {
    const bool nullIsAbsent = !field.required && field.type->kind != Kind::patch;
    if (nullIsAbsent && cursor_.null()) return;
    value(*field.type, field.rule, field.member(object));
  }

  void refuseRepeated() {
    report("is given twice");
    cursor_.skip();
  }

  void passOver(const Type& object) {
    if (policy_ == Policy::strict) reportAt(cursor_.key(), unknownField(object));
    cursor_.skip();
  }

  void reportMissing(const Type& object, std::uint64_t seen) {
    for (std::size_t i = 0; i < object.fields.size() && !full(); ++i) {
      const Field& field = object.fields[i];
      if (field.required && (seen >> i & 1) == 0) reportAt(field.name, "is required");
    }
  }

  void array(const Type& type, const Rule& rule, void* to) {
    if (cursor_.token() != Token::array) return refuseKind(type, rule);
    if (!cursor_.enterArray()) return;
    std::size_t count = 0;
    while (!full() && cursor_.nextItem()) {
      if (++count > rule.maxItems) {
        cursor_.skip();
        continue;
      }
      path_.push_back({.name = {}, .place = count - 1, .isName = false});
      value(*type.element, rule, type.container->add(to, {}));
      path_.pop_back();
    }
    checkCount(type, rule, count);
  }

  void map(const Type& type, const Rule& rule, void* to) {
    if (cursor_.token() != Token::object) return refuseKind(type, rule);
    if (!cursor_.enterObject()) return;
    std::size_t count = 0;
    while (!full() && cursor_.nextField()) {
      if (++count > rule.maxItems) {
        cursor_.skip();
        continue;
      }
      const std::string key(cursor_.key());
      void* const element = type.container->add(to, key);
      path_.push_back({.name = key});
      element != nullptr ? value(*type.element, rule, element) : refuseRepeated();
      path_.pop_back();
    }
    checkCount(type, rule, count);
  }

  void checkCount(const Type& type, const Rule& rule, std::size_t count) {
    if (cursor_.failed() || (count >= rule.minItems && count <= rule.maxItems)) return;
    report(fmt::format("must be {}, got {}", expectation(type, rule), count));
  }

  Cursor cursor_;
  Policy policy_;
  std::vector<Step> path_;
  std::vector<FieldError> errors_;
};

}  // namespace

Result<void> decodeInto(std::string_view json, const Type& type, void* object, Policy policy) {
  return Decoder(json, policy).run(type, object);
}

}  // namespace corbel::json::detail
