// Any bytes as JSON and as a query. Beside crashes it finds disagreement with simdjson's own parser
// about what is valid and what numbers are worth, and values that change when written and read
// again.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "json/cursor.h"
#include "json/decode.h"
#include "json/encode.h"

namespace corbel::json {
namespace {

enum class Word { one, two };
BOOST_DESCRIBE_ENUM(Word, one, two)

struct Sample {
  std::optional<bool> flag;
  std::optional<std::int64_t> whole;
  std::optional<float> small;
  std::optional<double> number;
  std::optional<std::string> text;
  std::optional<Timestamp> time;
  std::optional<Word> word;
  std::optional<Document> document;
  std::optional<Raw> raw;
  Patch<int> patch;
  std::vector<Sample> list;
  std::map<std::string, double> map;
  static constexpr auto rules() {
    return std::array{rule<&Sample::list>({.optional = true}),
                      rule<&Sample::map>({.optional = true}),
                      rule<&Sample::text>({.maxLength = 20})};
  }
};
BOOST_DESCRIBE_STRUCT(Sample, (),
                      (flag, whole, small, number, text, time, word, document, raw, patch, list,
                       map))

struct Query {
  std::optional<std::int16_t> limit;
  std::optional<std::string> cursor;
  std::optional<Word> word;
};
BOOST_DESCRIBE_STRUCT(Query, (), (limit, cursor, word))

void require(bool holds) {
  if (!holds) std::abort();
}

// Corbel bounds the depth, simdjson the size of numbers; otherwise the two agree.
void compareWithReference(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::element reference;
  const auto refused =
      parser.parse(text.data(), text.size(), /*realloc_if_needed=*/true).get(reference);
  Cursor cursor(text);
  const bool valid = cursor.skip() && cursor.finish();
  if (valid) {
    require(!refused || refused == simdjson::NUMBER_ERROR);
  } else if (cursor.error().message.find("nested too deep") == std::string::npos) {
    require(refused);
  }
  if (double value = 0; !refused && reference.get(value) == simdjson::SUCCESS) {
    require(Cursor(text).number().value().value == value);
  }
  if (std::string_view value; !refused && reference.get(value) == simdjson::SUCCESS) {
    require(Cursor(text).text() == value);
  }
}

template <class T>
void roundTrip(std::string_view text) {
  const auto value = decode<T>(text);
  if (!value) return require(!value.error().fields.empty());
  const std::string written = encode(*value);
  const auto again = decode<T>(written);
  require(again.has_value());
  require(encode(*again) == written);
}

}  // namespace
}  // namespace corbel::json

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  corbel::json::compareWithReference(text);
  corbel::json::roundTrip<corbel::json::Sample>(text);
  corbel::json::roundTrip<corbel::json::Document>(text);
  static_cast<void>(corbel::json::decodeQuery<corbel::json::Query>(text));
  return 0;
}
