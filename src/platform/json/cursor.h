// Walks JSON text once, front to back, without building anything. What decode() is made of; for
// free-form JSON and hot paths that know better than a description what they look for.
//
//   json::Cursor cursor(text);
//   if (cursor.token() == json::Token::object && cursor.enterObject()) {
//     while (cursor.nextField()) {
//       if (cursor.key() == "age") age = cursor.number(); else cursor.skip();
//     }
//   }
//   if (!cursor.finish()) return cursor.error();
//
// The first pass over the text is simdjson's (Langdale, Lemire: "Parsing gigabytes of JSON per
// second", 2019): it checks UTF-8 and finds where tokens begin, with the vector instructions this
// machine has. The cursor then looks at one token at a time, as simdjson's On-Demand does, but
// reads nothing behind the text and leaves nothing unchecked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace corbel::json {

// What a value is, by its first character. `none`: no value stands here, or the text is malformed.
enum class Token : std::uint8_t { object, array, text, number, boolean, null, none };

// "an object", "a list", "text" ... for messages.
std::string_view name(Token token);

struct Number {
  double value = 0;          // infinite: beyond the range of double; too small: 0
  std::int64_t integer = 0;  // when isInteger
  bool isInteger = false;    // written without fraction and exponent, and fits std::int64_t
};

// Malformed text stops the cursor for good: every call then returns false or nothing, error() says
// where and why. A value of another kind than asked for does not: the cursor stays on it, and
// skip() passes it. One thread at a time. Views it hands out stay valid until its next call, views
// into `json` as long as that lives.
class Cursor {
 public:
  // `json` must outlive the cursor and be shorter than 4 GiB. No padding is needed.
  explicit Cursor(std::string_view json);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  Token token() const;
  std::size_t offset() const;  // of the value, in bytes

  // Precondition: token() is object, or array. false: nested deeper than limits::kJsonDepth.
  bool enterObject();
  bool enterArray();
  // To the next field, whose name is then key(), or item. The value stood on must have been
  // consumed. false: there is none more; the cursor stands behind the container.
  bool nextField();
  bool nextItem();
  std::string_view key() const { return key_; }

  // These consume the value. Nothing: it is of another kind.
  std::optional<Number> number();
  std::optional<std::string_view> text();  // without escapes a view into the json
  std::optional<bool> boolean();
  bool null();

  // Passes a value of any kind, checked to the last byte. Its text, untouched, is a view into the
  // json.
  bool skip() { return raw().has_value(); }
  std::optional<std::string_view> raw();
  // The text of a number, string or literal without consuming it, unchecked; of a container its
  // bracket.
  std::string_view peek() const;

  // True when the one value was consumed and nothing follows it.
  bool finish();
  bool failed() const { return failure_ != nullptr; }
  // invalid_argument, about the value that the text breaks in, with the byte offset; NaN and
  // Infinity are named as what they are. Precondition: failed().
  Error error() const;

 private:
  struct Index;
  static std::unique_ptr<Index> borrowIndex(std::size_t bytes);

  char current() const { return token_ == end_ ? '\0' : json_[*token_]; }
  bool fail(const char* why);
  bool failAt(std::size_t offset, const char* why);
  bool enter();
  bool leave();
  bool readKey();
  bool readText(std::string_view quoted, std::string& unescaped, std::string_view& into);
  bool consume(std::string_view literal);

  std::string_view json_;
  const std::uint32_t* token_ = nullptr;  // offsets of tokens
  const std::uint32_t* end_ = nullptr;
  int depth_ = 0;
  bool first_ = false;  // a container was entered and nothing of it was read
  std::string_view key_;
  const char* failure_ = nullptr;
  std::size_t failedAt_ = 0;
  std::string keyText_;
  std::string text_;
  std::unique_ptr<Index> index_;
};

}  // namespace corbel::json
