#include "json/encode.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/timestamp.h"
#include "json/number_access.h"
#include "json/rule.h"
#include "json/type.h"

namespace corbel::json {
namespace {

template <class Number>
void appendNumber(std::string& out, Number number) {
  std::array<char, 32> text;  // 24 characters are the longest double
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  out.append(text.data(), end);
}

bool isAbsent(const Type& type, const void* value) {
  if (type.kind != Kind::optional && type.kind != Kind::patch) return false;
  if (type.container->isNull != nullptr && type.container->isNull(value)) return false;
  bool present = false;
  type.container->visit(value, &present, [](void* found, std::string_view, const void*) {
    *static_cast<bool*>(found) = true;
  });
  return !present;
}

}  // namespace

void Writer::begin(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
}

void Writer::end(char bracket) {
  out_ += bracket;
  comma_ = true;
}

void Writer::key(std::string_view name) {
  separate();
  appendJsonString(out_, name);
  out_ += ':';
  comma_ = false;
}

void Writer::literal(std::string_view text) {
  separate();
  out_ += text;
}

void Writer::value(std::string_view text) {
  separate();
  appendJsonString(out_, text);
}

void Writer::value(double number) {
  if (!std::isfinite(number)) return null();
  separate();
  appendNumber(out_, number);
}

void Writer::value(float number) {
  if (!std::isfinite(number)) return null();
  separate();
  appendNumber(out_, number);
}

void Writer::integer(std::int64_t number) {
  separate();
  appendNumber(out_, number);
}

void Writer::unsignedInteger(std::uint64_t number) {
  separate();
  appendNumber(out_, number);
}

void Writer::value(Timestamp time) { value(toRfc3339(time)); }

void Writer::writeInteger(const Type& type, const void* value) {
  const std::int64_t number = loadInteger(type, value);
  type.isSigned ? integer(number) : unsignedInteger(static_cast<std::uint64_t>(number));
}

void Writer::writeElements(const Type& type, const Rule& rule, const void* container) {
  struct Context {
    Writer& writer;
    const Type& type;
    const Rule& rule;
  } context{*this, type, rule};
  type.container->visit(container, &context,
                        [](void* given, std::string_view key, const void* element) {
                          const auto& in = *static_cast<Context*>(given);
                          if (in.type.kind == Kind::map) in.writer.key(key);
                          in.writer.write(*in.type.element, in.rule, element);
                        });
}

void Writer::writeFields(const Type& type, const void* object) {
  beginObject();
  for (const Field& field : type.fields) {
    const void* const member = field.member(const_cast<void*>(object));
    const bool absent = isAbsent(*field.type, member);
    if (absent && !field.rule.nullable) continue;
    key(field.name);
    write(*field.type, field.rule, member);
  }
  endObject();
}

void Writer::write(const Type& type, const Rule& rule, const void* value) {
  switch (type.kind) {
    case Kind::boolean:
      return this->value(*static_cast<const bool*>(value));
    case Kind::integer:
      return writeInteger(type, value);
    case Kind::number:
      return type.size == sizeof(float) ? this->value(*static_cast<const float*>(value))
                                        : this->value(*static_cast<const double*>(value));
    case Kind::text:
      return this->value(*static_cast<const std::string*>(value));
    case Kind::view:
      return this->value(*static_cast<const std::string_view*>(value));
    case Kind::time:
      return this->value(*static_cast<const Timestamp*>(value));
    case Kind::enumeration: {
      const std::int64_t number = loadInteger(type, value);
      for (const EnumValue& known : type.values) {
        if (known.value == number) return this->value(known.name);
      }
      return null();
    }
    case Kind::object:
      return writeFields(type, value);
    case Kind::array:
      beginArray();
      writeElements(type, rule, value);
      return endArray();
    case Kind::map:
      beginObject();
      writeElements(type, rule, value);
      return endObject();
    case Kind::optional:
    case Kind::patch:
      return isAbsent(type, value) || (type.kind == Kind::patch && type.container->isNull(value))
                 ? null()
                 : writeElements(type, rule, value);
    case Kind::raw:
      return raw(static_cast<const Raw*>(value)->text);
    case Kind::document:
      return raw(static_cast<const Document*>(value)->text);
  }
  std::unreachable();
}

}  // namespace corbel::json
