// Lists of the native API: pages that stay stable while rows are added.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/describe.h"

namespace corbel::native {

template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> nextCursor;  // null: this was the last page

  static constexpr auto rules() {
    return std::array{json::rule<&Page::nextCursor>(
        {.doc = "Pass it as `cursor` to read on; null at the end.", .nullable = true})};
  }
  BOOST_DESCRIBE_CLASS(Page, (), (items, nextCursor), (), ())
};

// Where a page ended: the value of the order's column and the id of the last item. Opaque to
// clients.
struct Position {
  std::string value;
  std::string id;
};
std::string toCursor(const Position& position);
// invalid_argument: not a cursor of ours.
Result<Position> parseCursor(std::string_view cursor);

// "name" and "-createdAt" become (name, ascending) and (createdAt, descending).
struct Sort {
  std::string_view field;
  bool descending = false;
};
Sort parseSort(std::string_view text);

}  // namespace corbel::native
