#include "postgres_sql.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "store/sql.h"

namespace corbel::store {
namespace {

struct Type {
  std::string_view common;
  std::string_view postgres;
};
constexpr std::array kTypes{Type{"TEXT", "TEXT COLLATE \"C\""}, Type{"REAL", "DOUBLE PRECISION"},
                            Type{"BLOB", "BYTEA"}};

bool isWordLetter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view typeOf(std::string_view word, std::string_view before) {
  const auto type = std::ranges::find(kTypes, word, &Type::common);
  if (type == kTypes.end() || before == "AS") return word;
  return type->postgres;
}

}  // namespace

std::string withNumberedPlaceholders(std::string_view sql) {
  std::string text;
  int number = 0;
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t end = std::max(detail::skipQuoted(sql, at), at + 1);
    if (sql[at] == '?') {
      text += '$' + std::to_string(++number);
    } else {
      text += sql.substr(at, end - at);
    }
    at = end;
  }
  return text;
}

std::string withPostgresTypes(std::string_view script) {
  std::string text;
  std::string_view before;
  for (std::size_t at = 0; at < script.size();) {
    std::size_t end = detail::skipQuoted(script, at);
    if (end == at && isWordLetter(script[at])) {
      while (end < script.size() && isWordLetter(script[end])) ++end;
      const std::string_view word = script.substr(at, end - at);
      text += typeOf(word, before);
      before = word;
    } else {
      end = std::max(end, at + 1);
      text += script.substr(at, end - at);
    }
    at = end;
  }
  return text;
}

}  // namespace corbel::store
