#include "json/cursor.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "json/place.h"
#include "json/scan.h"

namespace corbel::json {
namespace {

using FirstPass = simdjson::internal::dom_parser_implementation;

constexpr std::size_t kSmallestIndex = 16 * limits::kKiB;  // in bytes of text
constexpr std::size_t kTokensKept =
    64 * limits::kKiB;  // a thread keeps an index unless more of it was used
constexpr std::size_t kLongestText = 0xFFFFFFFF;  // offsets have 32 bits

constexpr const char* kValueExpected = "a value is expected";
constexpr const char* kNoNumber = "this is not a number";
// What other formats and programs write for numbers that JSON does not have.
constexpr std::string_view kForeignNumbers[] = {"NaN",      "nan",       "-NaN",     "-nan",
                                                "Infinity", "-Infinity", "+Infinity"};

bool isSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

Token tokenOf(char first) {
  switch (first) {
    case '{':
      return Token::object;
    case '[':
      return Token::array;
    case '"':
      return Token::text;
    case 't':
    case 'f':
      return Token::boolean;
    case 'n':
      return Token::null;
    case '-':
      return Token::number;
    default:
      return first >= '0' && first <= '9' ? Token::number : Token::none;
  }
}

}  // namespace

std::string_view name(Token token) {
  switch (token) {
    case Token::object:
      return "an object";
    case Token::array:
      return "a list";
    case Token::text:
      return "text";
    case Token::number:
      return "a number";
    case Token::boolean:
      return "true or false";
    case Token::null:
      return "null";
    case Token::none:
      return "nothing";
  }
  std::unreachable();
}

struct Cursor::Index {
  std::unique_ptr<FirstPass> pass;
  std::size_t capacity = 0;

  // One is kept for each thread: most requests find their memory there, and warm.
  static std::unique_ptr<Index>& spare() {
    thread_local std::unique_ptr<Index> index;
    return index;
  }
};

std::unique_ptr<Cursor::Index> Cursor::borrowIndex(std::size_t bytes) {
  auto index = std::exchange(Index::spare(), nullptr);
  if (index && index->capacity >= bytes) return index;
  index = std::make_unique<Index>();
  index->capacity = std::bit_ceil(std::max(bytes, kSmallestIndex));
  const auto refused = simdjson::get_active_implementation()->create_dom_parser_implementation(
      index->capacity, /*max_depth=*/1, index->pass);
  return refused ? nullptr : std::move(index);
}

Cursor::Cursor(std::string_view json) : json_(json) {
  if (json.size() < kLongestText) index_ = borrowIndex(json.size());
  if (!index_) {
    failAt(0, "the text is too long");
    return;
  }
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(json.data());
  if (json.empty() || index_->pass->stage1(bytes, json.size(), simdjson::stage1_mode::regular)) {
    const Refusal refusal = explainRefusal(json);
    failAt(refusal.offset, refusal.why);
    return;
  }
  token_ = index_->pass->structural_indexes.get();
  end_ = token_ + index_->pass->n_structural_indexes;
}

Cursor::~Cursor() {
  if (index_ && index_->pass->n_structural_indexes <= kTokensKept)
    Index::spare() = std::move(index_);
}

bool Cursor::failAt(std::size_t offset, const char* why) {
  if (failed()) return false;
  failedAt_ = offset;
  failure_ = why;
  token_ = end_;
  return false;
}

bool Cursor::fail(const char* why) { return failAt(offset(), why); }

Token Cursor::token() const { return tokenOf(current()); }

std::size_t Cursor::offset() const { return token_ == end_ ? json_.size() : *token_; }

std::string_view Cursor::peek() const {
  if (token_ == end_) return {};
  const std::size_t from = *token_;
  std::size_t to = token_ + 1 == end_ ? json_.size() : token_[1];
  while (to > from && isSpace(json_[to - 1])) --to;
  return json_.substr(from, to - from);
}

bool Cursor::enter() {
  if (depth_ == limits::kJsonDepth)
    return fail("lists and objects are nested too deep, 64 levels are allowed");
  ++depth_;
  ++token_;
  first_ = true;
  return true;
}

bool Cursor::enterObject() {
  assert(token() == Token::object);
  return enter();
}

bool Cursor::enterArray() {
  assert(token() == Token::array);
  return enter();
}

// Always false: how the loops over fields and items end.
bool Cursor::leave() {
  --depth_;
  ++token_;
  first_ = false;
  return false;
}

bool Cursor::nextField() {
  const char c = current();
  if (c == '}') return leave();
  if (!std::exchange(first_, false)) {
    if (c != ',') return fail("',' or '}' is expected");
    ++token_;
  }
  return readKey();
}

bool Cursor::readKey() {
  if (current() != '"') return fail("a field name in double quotes is expected");
  if (!readText(peek(), keyText_, key_)) return false;
  ++token_;
  if (current() != ':') return fail("':' is expected");
  ++token_;
  return token() != Token::none || fail(kValueExpected);
}

bool Cursor::nextItem() {
  const char c = current();
  if (c == ']') return leave();
  if (!std::exchange(first_, false)) {
    if (c != ',') return fail("',' or ']' is expected");
    ++token_;
  }
  return token() != Token::none || fail(kValueExpected);
}

// The first pass ends a token where the next begins: rubbish behind the closing quote is found
// here.
bool Cursor::readText(std::string_view quoted, std::string& unescaped, std::string_view& into) {
  if (quoted.size() < 2 || quoted.back() != '"')
    return fail("this text is not closed by a double quote");
  into = quoted.substr(1, quoted.size() - 2);
  if (into.empty() || std::memchr(into.data(), '\\', into.size()) == nullptr) return true;
  if (!unescape(into, unescaped)) return fail("this text has an invalid escape sequence");
  into = unescaped;
  return true;
}

std::optional<std::string_view> Cursor::text() {
  if (token() != Token::text) return std::nullopt;
  std::string_view text;
  if (!readText(peek(), text_, text)) return std::nullopt;
  ++token_;
  return text;
}

std::optional<Number> Cursor::number() {
  if (token() != Token::number) return std::nullopt;
  const auto number = parseNumber(peek());
  if (!number) {
    fail(kNoNumber);
    return std::nullopt;
  }
  ++token_;
  return number;
}

bool Cursor::consume(std::string_view literal) {
  if (peek() != literal) return fail(kValueExpected);
  ++token_;
  return true;
}

std::optional<bool> Cursor::boolean() {
  if (token() != Token::boolean) return std::nullopt;
  const bool value = current() == 't';
  if (!consume(value ? "true" : "false")) return std::nullopt;
  return value;
}

bool Cursor::null() { return token() == Token::null && consume("null"); }

std::optional<std::string_view> Cursor::raw() {
  static_assert(limits::kJsonDepth <= 64, "one bit a level");
  const std::size_t from = offset();
  std::uint64_t objects = 0;  // the containers around the value, innermost in the lowest bit
  int levels = 0;
  do {
    const Token kind = token();
    switch (kind) {
      case Token::object:
      case Token::array:
        if (!enter()) return std::nullopt;
        objects = objects << 1 | (kind == Token::object ? 1 : 0);
        ++levels;
        break;
      case Token::text:
        text();
        break;
      case Token::number:
        number();
        break;
      case Token::boolean:
        boolean();
        break;
      case Token::null:
        null();
        break;
      case Token::none:
        fail(kValueExpected);
        break;
    }
    if (failed()) return std::nullopt;
    while (levels > 0 && !((objects & 1) != 0 ? nextField() : nextItem())) {
      if (failed()) return std::nullopt;
      objects >>= 1;
      --levels;
    }
  } while (levels > 0);
  std::size_t to = token_ == end_ ? json_.size() : *token_;
  while (isSpace(json_[to - 1])) --to;
  return json_.substr(from, to - from);
}

bool Cursor::finish() {
  if (failed()) return false;
  return token_ == end_ || fail("the text goes on behind its value");
}

Error Cursor::error() const {
  std::string pointer = pointerAt(json_, failedAt_);
  if (failure_ == kValueExpected || failure_ == kNoNumber) {
    const auto rest = json_.substr(failedAt_);
    const auto word = rest.substr(0, rest.find_first_of(",]} \t\r\n"));
    if (std::ranges::find(kForeignNumbers, word) != std::end(kForeignNumbers)) {
      return failField(std::move(pointer),
                       fmt::format(
                           "must be a number; {} is not JSON, send null for a missing value", word))
          .error();
    }
  }
  return failField(std::move(pointer),
                   fmt::format("is not valid JSON at byte {}: {}", failedAt_, failure_))
      .error();
}

}  // namespace corbel::json
