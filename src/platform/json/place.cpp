#include "json/place.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/limits.h"
#include "json/scan.h"

namespace corbel::json {
namespace {

constexpr std::size_t kLongestPointer = 512;

// A container around the place.
struct Level {
  bool isObject = false;
  bool hasKey = false;   // the key's value began
  std::string_view key;  // as written
  std::size_t item = 0;
};

// Where the text that begins at `quote` ends, behind its closing quote; npos: it does not.
std::size_t endOfText(std::string_view json, std::size_t quote) {
  for (std::size_t at = quote + 1; at < json.size(); ++at) {
    if (json[at] == '"') return at + 1;
    if (json[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

class Trail {
 public:
  // False: the place is nested too deep to go on.
  bool pass(char c) {
    if (c == '{' || c == '[') {
      if (levels_.size() == limits::kJsonDepth) return false;
      levels_.push_back({.isObject = c == '{', .hasKey = false, .key = {}, .item = 0});
      return true;
    }
    if (levels_.empty()) return true;
    Level& level = levels_.back();
    if (c == '}' || c == ']') {
      levels_.pop_back();
    } else if (c == ':') {
      level.hasKey = level.isObject;
    } else if (c == ',') {
      level.hasKey = false;
      ++level.item;
    }
    return true;
  }

  void passText(std::string_view quoted) {
    if (!levels_.empty() && !levels_.back().hasKey) levels_.back().key = quoted;
  }

  std::string pointer() const {
    std::string pointer;
    for (const Level& level : levels_) {
      if (level.isObject && !level.hasKey) break;
      std::string name = std::to_string(level.item);
      if (level.isObject && !unescape(level.key, name)) name = level.key;
      const std::string part = pointerPart(name);
      if (pointer.size() + part.size() > kLongestPointer) break;
      pointer += part;
    }
    return pointer;
  }

 private:
  std::vector<Level> levels_;
};

}  // namespace

std::string pointerAt(std::string_view json, std::size_t offset) {
  const std::string_view before = json.substr(0, offset);
  Trail trail;
  for (std::size_t at = 0; at < before.size();) {
    if (before[at] != '"') {
      if (!trail.pass(before[at++])) break;
      continue;
    }
    const std::size_t end = endOfText(before, at);
    if (end == std::string_view::npos) break;
    trail.passText(before.substr(at + 1, end - at - 2));
    at = end;
  }
  return trail.pointer();
}

}  // namespace corbel::json
