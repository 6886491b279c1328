#include <string>
#include <utility>

#include "json/encode.h"
#include "json/rule.h"
#include "json/schema.h"
#include "json/type.h"
#include "json/wording.h"

namespace corbel::json {
namespace {

constexpr int kLevels = 8;  // types may contain themselves

class ExampleWriter {
 public:
  explicit ExampleWriter(std::string& out) : writer_(out) {}

  void example(const Type& type, const Rule& rule, int levels) {
    if (!rule.example.empty()) return writer_.raw(rule.example);
    switch (type.kind) {
      case Kind::boolean:
        return writer_.value(true);
      case Kind::integer:
      case Kind::number:
        return writer_.raw(plain(rule.min.value_or(1)));
      case Kind::text:
      case Kind::view:
        return writer_.value(text(rule));
      case Kind::time:
        return writer_.value("2026-01-31T12:00:00.000Z");
      case Kind::enumeration:
        return writer_.value(type.values.front().name);
      case Kind::object:
        return object(type, levels);
      case Kind::array:
        return array(type, rule, levels);
      case Kind::map:
        return map(type, rule, levels);
      case Kind::optional:
      case Kind::patch:
        return example(*type.element, rule, levels);
      case Kind::raw:
      case Kind::document:
        return writer_.raw("{}");
    }
    std::unreachable();
  }

 private:
  static std::string_view text(const Rule& rule) {
    switch (rule.format) {
      case Format::uuid:
        return "0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f70";
      case Format::name:
        return "name";
      case Format::any:
        return "text";
    }
    std::unreachable();
  }

  void object(const Type& type, int levels) {
    writer_.beginObject();
    for (const Field& field : type.fields) {
      if (!field.required && field.rule.example.empty()) continue;
      writer_.key(field.name);
      example(*field.type, field.rule, levels - 1);
    }
    writer_.endObject();
  }

  void array(const Type& type, const Rule& rule, int levels) {
    writer_.beginArray();
    if (levels > 0) example(*type.element, rule, levels - 1);
    writer_.endArray();
  }

  void map(const Type& type, const Rule& rule, int levels) {
    writer_.beginObject();
    if (levels > 0) {
      writer_.key("name");
      example(*type.element, rule, levels - 1);
    }
    writer_.endObject();
  }

  Writer writer_;
};

}  // namespace

std::string exampleOf(const Type& type) {
  std::string out;
  ExampleWriter(out).example(type, Rule{}, kLevels);
  return out;
}

}  // namespace corbel::json
