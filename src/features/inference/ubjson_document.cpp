#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "document_reader.h"

namespace corbel::inference {
namespace {

// UBJSON draft 12: big-endian numbers, a type letter before each value, counts and common types in
// containers.
class UbjsonReader final : public DocumentReader {
 public:
  explicit UbjsonReader(std::span<const std::byte> file) : file_(file) {}

  Result<void> object(const Field& field) override {
    CORBEL_CHECK(expect('{'));
    CORBEL_TRY(const Container container, header());
    if (container.type != 0) return broken("an object with one type for all values: not supported");
    for (std::uint64_t i = 0; i < container.count; ++i) {
      if (container.open && take('}')) return {};
      CORBEL_TRY(const std::string_view key, bareText());
      CORBEL_CHECK(field(key));
    }
    return {};
  }

  Result<void> array(const Element& element) override {
    CORBEL_CHECK(expect('['));
    CORBEL_TRY(const Container container, header());
    if (container.type != 0) return broken("an array of values of any type expected");
    for (std::uint64_t i = 0; i < container.count; ++i) {
      if (container.open && take(']')) return {};
      CORBEL_CHECK(element(i));
    }
    return {};
  }

  Result<std::string> text() override {
    CORBEL_CHECK(expect('S'));
    CORBEL_TRY(const std::string_view result, bareText());
    return std::string(result);
  }

  Result<std::vector<float>> floats() override {
    return numbers<float>([this](char type) { return realOf(type); });
  }

  Result<std::vector<std::int32_t>> integers() override {
    return numbers<std::int32_t>([this](char type) { return integer32Of(type); });
  }

  Result<std::int32_t> integer() override {
    CORBEL_TRY(const char type, letter());
    return integer32Of(type);
  }

  Result<void> skip() override {
    std::vector<Open> open;  // containers not yet passed, innermost last
    CORBEL_TRY(char type, letter());
    CORBEL_CHECK(skipValue(type, open));
    while (!open.empty()) {
      Open& inner = open.back();
      if (inner.left == 0 || (inner.container.open && take(inner.closing))) {
        open.pop_back();
        continue;
      }
      --inner.left;
      if (inner.closing == '}') CORBEL_CHECK(bareText());
      if (inner.container.type != 0) {
        type = inner.container.type;
      } else {
        CORBEL_TRY(type, letter());
      }
      CORBEL_CHECK(skipValue(type, open));
    }
    return {};
  }

 private:
  static constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

  struct Container {
    char type = 0;  // of all elements; 0: each has its own
    std::uint64_t count = kEndless;
    bool open = true;  // no count: ends with a bracket
  };

  struct Open {
    Container container;
    std::uint64_t left;
    char closing;
  };

  std::unexpected<Error> broken(std::string_view what) const {
    return fail(ErrorCode::unprocessable, fmt::format("byte {}: {}", position_, what));
  }

  std::size_t left() const { return file_.size() - position_; }

  char peek() const { return left() == 0 ? '\0' : static_cast<char>(file_[position_]); }

  bool take(char c) {
    while (peek() == 'N') ++position_;  // no-op, allowed between values
    if (peek() != c) return false;
    ++position_;
    return true;
  }

  Result<void> expect(char c) {
    if (take(c)) return {};
    return broken(left() == 0 ? "the file ends too early" : fmt::format("'{}' expected", c));
  }

  Result<char> letter() {
    while (peek() == 'N') ++position_;
    if (left() == 0) return broken("the file ends too early");
    return static_cast<char>(file_[position_++]);
  }

  template <class Word>
  Result<Word> word() {
    if (left() < sizeof(Word)) return broken("the file ends too early");
    Word value = 0;
    for (std::size_t i = 0; i < sizeof(Word); ++i) {
      value = static_cast<Word>(value << 8 * (sizeof(Word) > 1) | Word(file_[position_ + i]));
    }
    position_ += sizeof(Word);
    return value;
  }

  template <class Word>
  Result<std::int64_t> signedWord() {
    CORBEL_TRY(const Word value, word<Word>());
    return static_cast<std::make_signed_t<Word>>(value);
  }

  static std::optional<std::size_t> sizeOf(char type) {
    switch (type) {
      case 'i':
      case 'U':
      case 'C':
        return 1;
      case 'I':
        return 2;
      case 'l':
      case 'd':
        return 4;
      case 'L':
      case 'D':
        return 8;
      default:
        return std::nullopt;
    }
  }

  Result<std::int64_t> integerOf(char type) {
    switch (type) {
      case 'i':
        return signedWord<std::uint8_t>();
      case 'U':
      case 'C': {
        CORBEL_TRY(const std::uint8_t value, word<std::uint8_t>());
        return value;
      }
      case 'I':
        return signedWord<std::uint16_t>();
      case 'l':
        return signedWord<std::uint32_t>();
      case 'L':
        return signedWord<std::uint64_t>();
      case 'T':
        return 1;
      case 'F':
        return 0;
      default:
        return broken("an integer expected");
    }
  }

  Result<std::int32_t> integer32Of(char type) {
    CORBEL_TRY(const std::int64_t value, integerOf(type));
    if (value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max()) {
      return broken("an integer of 32 bits expected");
    }
    return static_cast<std::int32_t>(value);
  }

  Result<float> realOf(char type) {
    if (type == 'd') {
      CORBEL_TRY(const std::uint32_t bits, word<std::uint32_t>());
      return std::bit_cast<float>(bits);
    }
    if (type == 'D') {
      CORBEL_TRY(const std::uint64_t bits, word<std::uint64_t>());
      return static_cast<float>(std::bit_cast<double>(bits));
    }
    CORBEL_TRY(const std::int64_t value, integerOf(type));
    return static_cast<float>(value);
  }

  Result<std::uint64_t> length() {
    CORBEL_TRY(const char type, letter());
    CORBEL_TRY(const std::int64_t value, integerOf(type));
    if (value < 0) return broken("a negative length");
    return static_cast<std::uint64_t>(value);
  }

  // A key, or a text after its 'S'.
  Result<std::string_view> bareText() {
    CORBEL_TRY(const std::uint64_t size, length());
    if (size > left()) return broken("a text without end");
    const std::string_view result(reinterpret_cast<const char*>(file_.data()) + position_, size);
    position_ += size;
    return result;
  }

  // "$type#count", "#count" or nothing, behind an opening bracket.
  Result<Container> header() {
    Container container;
    if (take('$')) {
      CORBEL_TRY(container.type, letter());
      if (!sizeOf(container.type)) return broken("a container of such a type: not supported");
      if (peek() != '#') return broken("'#' expected");
    }
    if (!take('#')) return container;
    CORBEL_TRY(container.count, length());
    container.open = false;
    // Every element takes at least a byte: a count that the file cannot hold is refused before it
    // is used.
    if (container.count > left() / sizeOf(container.type).value_or(1)) {
      return broken("the file ends before the container does");
    }
    return container;
  }

  template <class Number, class Read>
  Result<std::vector<Number>> numbers(Read read) {
    CORBEL_CHECK(expect('['));
    CORBEL_TRY(const Container container, header());
    std::vector<Number> values;
    if (!container.open) values.reserve(container.count);
    for (std::uint64_t i = 0; i < container.count; ++i) {
      if (container.open && take(']')) break;
      char type = container.type;
      if (type == 0) {
        CORBEL_TRY(type, letter());
      }
      CORBEL_TRY(const Number value, read(type));
      values.push_back(value);
    }
    return values;
  }

  Result<void> skipValue(char type, std::vector<Open>& open) {
    if (type == '{' || type == '[') return skipContainer(type == '{' ? '}' : ']', open);
    if (type == 'S' || type == 'H') {
      CORBEL_CHECK(bareText());
      return {};
    }
    if (type == 'Z' || type == 'T' || type == 'F') return {};
    const auto size = sizeOf(type);
    if (!size) return broken("an unknown type of value");
    if (*size > left()) return broken("the file ends too early");
    position_ += *size;
    return {};
  }

  Result<void> skipContainer(char closing, std::vector<Open>& open) {
    CORBEL_TRY(const Container container, header());
    if (container.type != 0 && closing == ']') {
      position_ += container.count * *sizeOf(container.type);
      return {};
    }
    if (open.size() == kMaxNesting) {
      return broken(fmt::format("nested deeper than {} levels", kMaxNesting));
    }
    open.push_back({container, container.count, closing});
    return {};
  }

  std::span<const std::byte> file_;
  std::size_t position_ = 0;
};

}  // namespace

std::unique_ptr<DocumentReader> readUbjson(std::span<const std::byte> file) {
  return std::make_unique<UbjsonReader>(file);
}

}  // namespace corbel::inference
