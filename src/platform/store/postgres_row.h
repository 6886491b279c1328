// Values on their way to a PostgreSQL server and back, in its binary form.
#pragma once
#include <libpq-fe.h>

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/sql.h"

namespace corbel::store {

// Valid as long as the values.
class PostgresValues {
 public:
  explicit PostgresValues(std::span<const Value> values);
  // One letter for each value: what a prepared statement was made for.
  static std::string kindsOf(std::span<const Value> values);

  int count() const { return static_cast<int>(types_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* starts() const { return starts_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void add(const Value& value);
  void addNumber(std::uint64_t bits, std::size_t bytes);

  std::vector<Oid> types_;
  std::vector<const char*> starts_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  std::deque<std::array<char, 8>> numbers_;  // big-endian; stay where they are
};

class PostgresRow final : public Row {
 public:
  PostgresRow(const PGresult* answer, int row) : answer_(answer), row_(row) {}

  bool isNull(int column) const override;
  bool boolean(int column) const override;
  double real(int column) const override;
  std::string_view text(int column) const override;
  Bytes bytes(int column) const override;
  // Empty as long as every column was what it was read as.
  const std::string& refusal() const { return refusal_; }

 private:
  std::int64_t integer64(int column) const override;
  void refuse(int column, std::string_view wanted) const override;
  bool has(int column) const { return column >= 0 && column < PQnfields(answer_); }
  std::string_view raw(int column) const;
  Oid type(int column) const { return has(column) ? PQftype(answer_, column) : 0; }

  const PGresult* answer_;
  int row_;
  mutable std::string refusal_;
};

}  // namespace corbel::store
