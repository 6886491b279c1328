#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>

#include "document_reader.h"

namespace corbel::inference {
namespace {

bool isSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

void appendUtf8(std::string& text, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6);
    put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3F));
    put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3F));
    put(0x80 | (point >> 6 & 0x3F));
    put(0x80 | (point & 0x3F));
  }
}

// Own parser and not simdjson, for three reasons: XGBoost writes NaN and Infinity, its floats must
// be rounded once (decimal to float, not by way of double), and memory must stay far below the
// file's size.
class JsonReader final : public DocumentReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Result<void> object(const Field& field) override {
    CORBEL_CHECK(expect('{'));
    if (take('}')) return {};
    do {
      CORBEL_TRY(const std::string key, text());
      CORBEL_CHECK(expect(':'));
      CORBEL_CHECK(field(key));
    } while (take(','));
    return expect('}');
  }

  Result<void> array(const Element& element) override {
    CORBEL_CHECK(expect('['));
    if (take(']')) return {};
    std::size_t index = 0;
    do {
      CORBEL_CHECK(element(index++));
    } while (take(','));
    return expect(']');
  }

  Result<std::string> text() override {
    CORBEL_CHECK(expect('"'));
    std::string result;
    while (position_ < text_.size()) {
      const char c = text_[position_++];
      if (c == '"') return result;
      if (c == '\\') {
        CORBEL_CHECK(escape(result));
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return broken("a control character in a text");
      } else {
        result.push_back(c);
      }
    }
    return broken("a text without end");
  }

  Result<std::vector<float>> floats() override {
    std::vector<float> values;
    CORBEL_CHECK(array([&](std::size_t) -> Result<void> {
      CORBEL_TRY(const float value, number<float>("a number"));
      values.push_back(value);
      return {};
    }));
    return values;
  }

  Result<std::vector<std::int32_t>> integers() override {
    std::vector<std::int32_t> values;
    CORBEL_CHECK(array([&](std::size_t) -> Result<void> {
      CORBEL_TRY(const std::int32_t value, integer());
      values.push_back(value);
      return {};
    }));
    return values;
  }

  Result<std::int32_t> integer() override {
    skipSpace();
    if (takeWord("true")) return 1;
    if (takeWord("false")) return 0;
    return number<std::int32_t>("an integer of 32 bits");
  }

  Result<void> skip() override {
    std::vector<char> open;  // closing brackets awaited, innermost last
    do {
      CORBEL_CHECK(skipToken(open));
    } while (!open.empty());
    return {};
  }

 private:
  std::unexpected<Error> broken(std::string_view what) const {
    return fail(ErrorCode::unprocessable, fmt::format("byte {}: {}", position_, what));
  }

  void skipSpace() {
    while (position_ < text_.size() && isSpace(text_[position_])) ++position_;
  }

  bool take(char c) {
    skipSpace();
    if (position_ == text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  bool takeWord(std::string_view word) {
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  Result<void> expect(char c) {
    if (take(c)) return {};
    if (position_ == text_.size()) return broken("the file ends too early");
    return broken(fmt::format("'{}' expected", c));
  }

  // from_chars knows XGBoost's "NaN", "Infinity" and "-Infinity".
  template <class Number>
  Result<Number> number(std::string_view what) {
    skipSpace();
    Number value{};
    const char* const end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data() + position_, end, value);
    if (error == std::errc::invalid_argument) return broken(fmt::format("{} expected", what));
    // Underflow and overflow round to zero and infinity, as XGBoost's own parser does.
    if (error == std::errc::result_out_of_range) {
      if constexpr (std::is_integral_v<Number>) return broken(fmt::format("{} expected", what));
      value = roundedOutOfRange<Number>(text_.substr(position_, stop - text_.data() - position_));
    }
    position_ = stop - text_.data();
    if (position_ < text_.size() && !isSpace(text_[position_]) && text_[position_] != ',' &&
        text_[position_] != ']' && text_[position_] != '}') {
      return broken(fmt::format("{} expected", what));
    }
    return value;
  }

  template <class Number>
  static Number roundedOutOfRange(std::string_view digits) {
    const bool negative = digits.starts_with('-');
    const std::size_t exponent = digits.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && digits.substr(exponent + 1, 1) == "-";
    const Number size = tiny ? Number{} : std::numeric_limits<Number>::infinity();
    return negative ? -size : size;
  }

  Result<std::uint32_t> hex4() {
    std::uint32_t value = 0;
    const char* const begin = text_.data() + position_;
    if (text_.size() - position_ < 4) return broken("a text without end");
    const auto [stop, error] = std::from_chars(begin, begin + 4, value, 16);
    if (error != std::errc() || stop != begin + 4) return broken("4 hexadecimal digits expected");
    position_ += 4;
    return value;
  }

  Result<void> escape(std::string& result) {
    if (position_ == text_.size()) return broken("a text without end");
    const char c = text_[position_++];
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
      result.push_back(kMeanings[i]);
      return {};
    }
    if (c != 'u') return broken("an unknown escape in a text");
    CORBEL_TRY(std::uint32_t point, hex4());
    if (point >= 0xD800 && point < 0xDC00 && takeWord("\\u")) {
      CORBEL_TRY(const std::uint32_t low, hex4());
      if (low < 0xDC00 || low > 0xDFFF) return broken("half a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xD800 && point < 0xE000) {
      return broken("half a surrogate pair");
    }
    appendUtf8(result, point);
    return {};
  }

  // One bracket, text or bare word; commas and colons pass, as the skipped part is not used.
  Result<void> skipToken(std::vector<char>& open) {
    skipSpace();
    if (position_ == text_.size()) return broken("the file ends too early");
    const char c = text_[position_];
    if (c == '"') return skipText();
    if (c == '{' || c == '[') {
      if (open.size() == kMaxNesting) {
        return broken(fmt::format("nested deeper than {} levels", kMaxNesting));
      }
      open.push_back(c == '{' ? '}' : ']');
    } else if (c == '}' || c == ']') {
      if (open.empty() || open.back() != c) return broken(fmt::format("unexpected '{}'", c));
      open.pop_back();
    } else if (c == ',' || c == ':') {
      if (open.empty()) return broken("a value expected");
    } else {
      position_ = std::min(text_.find_first_of(" \t\r\n,:]}", position_), text_.size());
      return {};
    }
    ++position_;
    return {};
  }

  Result<void> skipText() {
    for (++position_; position_ < text_.size(); ++position_) {
      if (text_[position_] == '\\') {
        ++position_;
      } else if (text_[position_] == '"') {
        ++position_;
        return {};
      }
    }
    position_ = text_.size();
    return broken("a text without end");
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

std::unique_ptr<DocumentReader> readJson(std::span<const std::byte> file) {
  return std::make_unique<JsonReader>(
      std::string_view(reinterpret_cast<const char*>(file.data()), file.size()));
}

}  // namespace corbel::inference
