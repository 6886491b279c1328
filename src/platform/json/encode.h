// Writes described values, and JSON by hand, at the end of one buffer.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "json/describe.h"

namespace corbel::json {

// Appends tokens and the commas between them. The caller keeps to the grammar: in an object each
// value follows a key.
//   Writer writer(out);
//   writer.beginObject();
//   writer.field("label", label);
//   writer.key("scores");
//   writer.beginArray();
//   for (const double score : scores) writer.value(score);
//   writer.endArray();
//   writer.endObject();
// Text may be any bytes (see appendJsonString). Numbers are the shortest text that reads back as
// the same number; NaN and infinities, which JSON has no word for, are null. Allocates nothing but
// the buffer's growth.
class Writer {
 public:
  // `out` must outlive the writer; what is in it stays.
  explicit Writer(std::string& out) : out_(out) {}

  void beginObject() { begin('{'); }
  void endObject() { end('}'); }
  void beginArray() { begin('['); }
  void endArray() { end(']'); }
  void key(std::string_view name);

  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(double number);
  void value(float number);
  void value(Timestamp time);
  template <std::integral T>
  void value(T number) {
    if constexpr (std::same_as<T, bool>) {
      literal(number ? "true" : "false");
    } else if constexpr (std::signed_integral<T>) {
      integer(number);
    } else {
      unsignedInteger(number);
    }
  }
  // Any type that json/describe.h takes.
  template <class T>
    requires(Described<T> || std::is_enum_v<T>)
  void value(const T& described) {
    write(kType<T>, Rule{}, &described);
  }
  void null() { literal("null"); }
  // One JSON value that is known to be valid.
  void raw(std::string_view json) { literal(json); }

  template <class T>
  void field(std::string_view name, const T& content) {
    key(name);
    value(content);
  }

  // For encode().
  void write(const Type& type, const Rule& rule, const void* value);

 private:
  void begin(char bracket);
  void end(char bracket);
  void separate() {
    if (comma_) out_ += ',';
    comma_ = true;
  }
  void literal(std::string_view text);
  void integer(std::int64_t number);
  void unsignedInteger(std::uint64_t number);
  void writeInteger(const Type& type, const void* value);
  void writeElements(const Type& type, const Rule& rule, const void* container);
  void writeFields(const Type& type, const void* object);

  std::string& out_;
  bool comma_ = false;  // a value stands before
};

// Appends `value` as JSON on one line. Members that are empty are left out (see Rule::nullable),
// enumerators without a name are null.
template <class T>
void encode(const T& value, std::string& out) {
  Writer(out).write(kType<T>, Rule{}, &value);
}

template <class T>
std::string encode(const T& value) {
  std::string out;
  encode(value, out);
  return out;
}

}  // namespace corbel::json
