#include "json/schema.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json/component_name.h"
#include "json/encode.h"
#include "json/number_access.h"
#include "json/rule.h"
#include "json/type.h"
#include "json/wording.h"

namespace corbel::json {

// Writes one schema; registers what it refers to.
class SchemaWriter {
 public:
  // Without a registry enumerations are written out instead of being referred to.
  explicit SchemaWriter(SchemaRegistry* registry) : registry_(registry) {}

  std::string schema(const Type& type, const Rule& rule) {
    writer_.beginObject();
    body(type, rule, type.kind == Kind::patch || rule.nullable);
    writer_.endObject();
    return std::move(out_);
  }

  // Of a member that stands alone, with its default.
  std::string member(const Type& owner, const Field& field) {
    writer_.beginObject();
    body(*field.type, field.rule, field.type->kind == Kind::patch || field.rule.nullable);
    defaultOf(owner, field);
    writer_.endObject();
    return std::move(out_);
  }

  // Of an object or enumeration in full, where schema() would refer to it.
  std::string definition(const Type& type) {
    writer_.beginObject();
    type.kind == Kind::object ? fields(type) : values(type, /*nullable=*/false);
    writer_.endObject();
    return std::move(out_);
  }

 private:
  void body(const Type& type, const Rule& rule, bool nullable) {
    switch (type.kind) {
      case Kind::boolean:
        return typeName("boolean", nullable);
      case Kind::integer:
        return integer(type, rule, nullable);
      case Kind::number:
        typeName("number", nullable);
        return bounds(rule);
      case Kind::text:
      case Kind::view:
        return text(rule, nullable);
      case Kind::time:
        typeName("string", nullable);
        return writer_.field("format", "date-time");
      case Kind::enumeration:
        if (registry_ == nullptr) return values(type, nullable);
        return refer(type, nullable);
      case Kind::object:
        return refer(type, nullable);
      case Kind::array:
        return array(type, rule, nullable);
      case Kind::map:
        return map(type, rule, nullable);
      case Kind::optional:
      case Kind::patch:
        return body(*type.element, rule, nullable);
      case Kind::raw:
      case Kind::document:
        return;
    }
    std::unreachable();
  }

  void typeName(std::string_view name, bool nullable) {
    if (!nullable) return writer_.field("type", name);
    writer_.key("type");
    writer_.beginArray();
    writer_.value(name);
    writer_.value("null");
    writer_.endArray();
  }

  void refer(const Type& type, bool nullable) {
    const std::string target = "#/components/schemas/" + std::string(registry_->component(type));
    if (!nullable) return writer_.field("$ref", target);
    writer_.key("anyOf");
    writer_.beginArray();
    writer_.beginObject();
    writer_.field("$ref", target);
    writer_.endObject();
    writer_.beginObject();
    writer_.field("type", "null");
    writer_.endObject();
    writer_.endArray();
  }

  void bound(std::string_view name, const std::optional<double>& limit) {
    if (!limit) return;
    writer_.key(name);
    writer_.raw(plain(*limit));
  }

  void bounds(const Rule& rule) {
    bound("minimum", rule.min);
    bound("maximum", rule.max);
  }

  void integer(const Type& type, const Rule& rule, bool nullable) {
    typeName("integer", nullable);
    if (type.size == 8) writer_.field("format", "int64");
    const IntegerRange range = rangeOf(type);
    integerBound("minimum", rule.min, range.min, INT64_MIN);
    integerBound("maximum", rule.max, range.max, INT64_MAX);
  }

  // `natural` is what the type holds; not worth saying when it is what "int64" means.
  void integerBound(std::string_view name, const std::optional<double>& limit, std::int64_t natural,
                    std::int64_t implied) {
    if (limit) return bound(name, limit);
    if (natural != implied) writer_.field(name, natural);
  }

  void text(const Rule& rule, bool nullable) {
    typeName("string", nullable);
    if (rule.minLength > 0) writer_.field("minLength", rule.minLength);
    if (rule.maxLength != SIZE_MAX) writer_.field("maxLength", rule.maxLength);
    if (rule.format == Format::uuid) writer_.field("format", "uuid");
    if (rule.format == Format::name) writer_.field("pattern", "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$");
  }

  void values(const Type& type, bool nullable) {
    typeName("string", nullable);
    writer_.key("enum");
    writer_.beginArray();
    for (const EnumValue& value : type.values) writer_.value(value.name);
    if (nullable) writer_.null();
    writer_.endArray();
  }

  void array(const Type& type, const Rule& rule, bool nullable) {
    typeName("array", nullable);
    writer_.key("items");
    element(*type.element, rule);
    if (rule.minItems > 0) writer_.field("minItems", rule.minItems);
    writer_.field("maxItems", rule.maxItems);
  }

  void map(const Type& type, const Rule& rule, bool nullable) {
    typeName("object", nullable);
    writer_.key("additionalProperties");
    element(*type.element, rule);
    if (rule.minItems > 0) writer_.field("minProperties", rule.minItems);
    writer_.field("maxProperties", rule.maxItems);
  }

  void element(const Type& type, const Rule& rule) {
    writer_.beginObject();
    body(type, rule, type.kind == Kind::optional || type.kind == Kind::patch);
    writer_.endObject();
  }

  void fields(const Type& type) {
    writer_.field("type", "object");
    writer_.key("properties");
    writer_.beginObject();
    for (const Field& field : type.fields) property(type, field);
    writer_.endObject();
    if (std::ranges::any_of(type.fields, &Field::required)) {
      writer_.key("required");
      writer_.beginArray();
      for (const Field& field : type.fields) {
        if (field.required) writer_.value(field.name);
      }
      writer_.endArray();
    }
    writer_.field("additionalProperties", false);
  }

  void property(const Type& owner, const Field& field) {
    writer_.key(field.name);
    writer_.beginObject();
    body(*field.type, field.rule, field.type->kind == Kind::patch || field.rule.nullable);
    if (!field.rule.doc.empty()) writer_.field("description", field.rule.doc);
    if (!field.rule.example.empty()) {
      writer_.key("examples");
      writer_.beginArray();
      writer_.raw(field.rule.example);
      writer_.endArray();
    }
    defaultOf(owner, field);
    writer_.endObject();
  }

  void defaultOf(const Type& owner, const Field& field) {
    if (!field.rule.optional || owner.defaults == nullptr) return;
    writer_.key("default");
    writer_.write(*field.type, field.rule, field.member(const_cast<void*>(owner.defaults())));
  }

  SchemaRegistry* registry_;
  std::string out_;
  Writer writer_{out_};
};

std::string SchemaRegistry::add(const Type& type) {
  return SchemaWriter(this).schema(type, Rule{});
}

std::string_view SchemaRegistry::component(const Type& type) {
  const auto known =
      std::ranges::find(components_, &type, [](const auto& entry) { return entry.second.type; });
  if (known != components_.end()) return known->first;
  std::string name = componentName(type.name);
  if (components_.contains(name)) name = qualifiedComponentName(type.name);
  while (components_.contains(name)) name += '_';
  const auto added = components_.emplace(std::move(name), Component{&type, {}}).first;
  added->second.schema = SchemaWriter(this).definition(type);
  return added->first;
}

std::string SchemaRegistry::components() const {
  std::string out;
  Writer writer(out);
  writer.beginObject();
  for (const auto& [name, component] : components_) {
    writer.key(name);
    writer.raw(component.schema);
  }
  writer.endObject();
  return out;
}

std::vector<QueryParameter> queryParameters(const Type& type) {
  std::vector<QueryParameter> parameters;
  for (const Field& field : type.fields) {
    parameters.push_back({.name = field.name,
                          .doc = field.rule.doc,
                          .required = field.required,
                          .schema = SchemaWriter(nullptr).member(type, field),
                          .example = std::string(field.rule.example)});
  }
  return parameters;
}

}  // namespace corbel::json
