#include "json/repeated_name.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/cursor.h"

namespace corbel::json {
namespace {

struct Level {
  bool isObject = false;
  std::vector<std::string> names;
};

std::optional<std::string> repeated(std::vector<std::string>& names) {
  std::ranges::sort(names);
  const auto found = std::ranges::adjacent_find(names);
  return found == names.end() ? std::nullopt : std::optional(*found);
}

// Closes what ends here. true: the cursor stands on the next value of the innermost container that
// is left.
bool advance(Cursor& cursor, std::vector<Level>& levels, std::optional<std::string>& found) {
  while (!levels.empty() && !found) {
    Level& inner = levels.back();
    if (inner.isObject ? cursor.nextField() : cursor.nextItem()) {
      if (inner.isObject) inner.names.emplace_back(cursor.key());
      return true;
    }
    found = repeated(inner.names);
    levels.pop_back();
  }
  return false;
}

}  // namespace

std::optional<std::string> repeatedName(std::string_view json) {
  Cursor cursor(json);
  std::vector<Level> levels;
  std::optional<std::string> found;
  do {
    const Token token = cursor.token();
    if (token == Token::object && cursor.enterObject()) {
      levels.emplace_back().isObject = true;
    } else if (token == Token::array && cursor.enterArray()) {
      levels.emplace_back();
    } else {
      cursor.skip();
    }
  } while (advance(cursor, levels, found));
  return found;
}

}  // namespace corbel::json
