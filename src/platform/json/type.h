// The picture of a C++ type that decoder, encoder and schema read: plain data, so that each of them
// is one ordinary function and a described struct costs its users a table and a few one-line
// functions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "json/rule.h"

namespace corbel::json {

enum class Kind : std::uint8_t {
  boolean,
  integer,      // of `size` bytes
  number,       // float or double, by `size`
  text,         // std::string
  view,         // std::string_view, written only
  time,         // Timestamp
  enumeration,  // one of `values`, of `size` bytes
  object,       // of `fields`
  array,        // std::vector of `element`
  map,          // std::map from std::string to `element`
  optional,     // std::optional of `element`
  patch,        // Patch of `element`
  raw,
  document,
};

struct Type;

struct Field {
  std::string_view name;
  const Type* type;
  void* (*member)(void* object);
  Rule rule;
  bool required;
};

struct EnumValue {
  std::string_view name;
  std::int64_t value;
};

// Called for each element of a container; `key` is empty except in maps.
using Visit = void (*)(void* context, std::string_view key, const void* element);

struct Container {
  // A new element. Map: nullptr when the key is there already. Optional and patch: the one element.
  void* (*add)(void* container, std::string_view key);
  void (*visit)(const void* container, void* context, Visit visit);
  void (*setNull)(void* container);       // patch only
  bool (*isNull)(const void* container);  // patch only
};

struct Type {
  Kind kind;
  std::uint8_t size = 0;
  bool isSigned = false;
  std::string_view name = {};  // objects and enumerations: the C++ name with its namespace
  std::span<const Field> fields = {};
  std::span<const EnumValue> values = {};
  const Type* element = nullptr;
  const Container* container = nullptr;
  const void* (*defaults)() =
      nullptr;  // objects: one as its struct makes it; nullptr when that is impossible
};

}  // namespace corbel::json
