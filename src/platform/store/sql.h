// SQL text, the values bound to it and the rows that come back. Knows no particular database.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/clock.h"

namespace corbel::store {

namespace detail {

// Reaching one of these while a statement is compiled is the error message.
void aStatementNeedsOneValueForEachPlaceholder();
void aStatementIsOneStatementWithoutSemicolon();

// The end of the quoted text or comment that starts at `at`; `at` itself where none starts.
constexpr std::size_t skipQuoted(std::string_view sql, std::size_t at) {
  const auto after = [&](std::string_view end, std::size_t from) {
    const std::size_t found = sql.find(end, from);
    return found == std::string_view::npos ? sql.size() : found + end.size();
  };
  if (sql[at] == '\'') return after("'", at + 1);
  if (sql[at] == '"') return after("\"", at + 1);
  if (sql.substr(at).starts_with("--")) return after("\n", at + 2);
  if (sql.substr(at).starts_with("/*")) return after("*/", at + 2);
  return at;
}

constexpr std::size_t countPlaceholders(std::string_view sql) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < sql.size();) {
    if (const std::size_t end = skipQuoted(sql, at); end != at) {
      at = end;
      continue;
    }
    if (sql[at] == ';') aStatementIsOneStatementWithoutSemicolon();
    if (sql[at] == '?') ++count;
    ++at;
  }
  return count;
}

}  // namespace detail

// The text of a statement for each database; a literal.
struct Statement {
  std::string_view sqlite;
  std::string_view postgres;
};

// One SQL statement with `Placeholders` times `?`. Only text that the compiler knows converts to
// it, so nothing that came from outside can ever become SQL. Statements are in the subset that
// SQLite and PostgreSQL share; where that is not possible, there is a second text:
//   reader.query({"SELECT … sqlite_schema …", "SELECT … pg_catalog …"})
// What to mind in the subset: LIKE compares letter for letter. SUM and AVG need a cast, as in
// CAST(SUM(bytes) AS BIGINT). Whole numbers above 32 bits need columns of BIGINT. BOOLEAN columns
// are read with boolean().
template <std::size_t Placeholders>
class Sql {
 public:
  template <class Text>
    requires std::convertible_to<const Text&, std::string_view>
  consteval Sql(const Text& text)  // implicit: literals are passed as they are
      : Sql(std::string_view(text), std::string_view(text)) {}
  consteval Sql(std::string_view sqlite, std::string_view postgres)
      : statement_{.sqlite = sqlite, .postgres = postgres} {
    if (detail::countPlaceholders(sqlite) != Placeholders ||
        detail::countPlaceholders(postgres) != Placeholders) {
      detail::aStatementNeedsOneValueForEachPlaceholder();
    }
  }
  constexpr const Statement& statement() const { return statement_; }

 private:
  Statement statement_;
};

using Bytes = std::span<const std::byte>;

enum class Kind : std::uint8_t { boolean, integer, real, text, bytes };

// NULL where a value of that kind would stand.
struct Null {
  Kind kind;
};

// A value on its way into a statement: a view, valid as long as what it was made from.
using Value = std::variant<Null, bool, std::int64_t, double, std::string_view, Bytes>;

template <class T>
constexpr Kind kindOfType() {
  if constexpr (std::same_as<T, bool>) return Kind::boolean;
  if constexpr (std::integral<T> || std::same_as<T, Timestamp>) return Kind::integer;
  if constexpr (std::floating_point<T>) return Kind::real;
  return std::convertible_to<const T&, std::string_view> ? Kind::text : Kind::bytes;
}

inline Value toValue(bool truth) { return truth; }
// Unsigned 64-bit numbers do not fit a database integer and are refused by the compiler.
template <std::integral Number>
  requires(std::signed_integral<Number> || sizeof(Number) < sizeof(std::int64_t))
Value toValue(Number number) {
  return std::int64_t{number};
}
inline Value toValue(double number) { return number; }
template <class Text>
  requires std::convertible_to<const Text&, std::string_view>
Value toValue(const Text& text) {
  return std::string_view(text);
}
template <class Container>
  requires(std::convertible_to<const Container&, Bytes> &&
           !std::convertible_to<const Container&, std::string_view>)
Value toValue(const Container& bytes) {
  return Bytes(bytes);
}
inline Value toValue(Timestamp time) { return std::int64_t{time.time_since_epoch().count()}; }
template <class T>
Value toValue(const std::optional<T>& value) {
  return value ? toValue(*value) : Value(Null{kindOfType<T>()});
}

// The row at hand while a query runs. Columns count from 0. Views are valid until the next row.
// A column that holds another type than asked for (NULL included) makes the whole query fail with
// `internal`: that is damage or a mistake in the program, never something to guess about. The value
// read is then empty.
class Row {
 public:
  virtual ~Row() = default;

  virtual bool isNull(int column) const = 0;
  virtual double real(int column) const = 0;  // integers too
  virtual std::string_view text(int column) const = 0;
  virtual Bytes bytes(int column) const = 0;
  template <std::integral Number = std::int64_t>
  Number integer(int column) const {
    const std::int64_t wide = integer64(column);
    if (std::in_range<Number>(wide)) return static_cast<Number>(wide);
    refuse(column, "a number in range");
    return 0;
  }
  virtual bool boolean(int column) const = 0;
  Timestamp time(int column) const {
    return Timestamp(std::chrono::milliseconds(integer64(column)));
  }
  std::string string(int column) const { return std::string(text(column)); }

  // Nothing for NULL.
  std::optional<std::int64_t> optionalInteger(int column) const {
    return unlessNull(column, &Row::integer64);
  }
  std::optional<double> optionalReal(int column) const { return unlessNull(column, &Row::real); }
  std::optional<std::string> optionalString(int column) const {
    return unlessNull(column, &Row::string);
  }
  std::optional<Timestamp> optionalTime(int column) const { return unlessNull(column, &Row::time); }

 private:
  virtual std::int64_t integer64(int column) const = 0;
  virtual void refuse(int column, std::string_view wanted) const = 0;
  template <class T>
  std::optional<T> unlessNull(int column, T (Row::*read)(int) const) const {
    if (isNull(column)) return std::nullopt;
    return (this->*read)(column);
  }
};

}  // namespace corbel::store
