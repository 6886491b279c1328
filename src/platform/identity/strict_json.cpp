#include "strict_json.h"

#include <algorithm>
#include <vector>

namespace corbel::identity {
namespace {

using simdjson::dom::element;

// Recursion is bounded: the parser refuses what is nested deeper than kMaxDepth.
bool namesAreUnique(element value) {
  if (value.is_array()) {
    return std::ranges::all_of(value.get_array().value_unsafe(),
                               [](element item) { return namesAreUnique(item); });
  }
  if (!value.is_object()) return true;
  std::vector<std::string_view> names;
  for (const auto [name, member] : value.get_object().value_unsafe()) {
    if (!namesAreUnique(member)) return false;
    names.push_back(name);
  }
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) == names.end();
}

}  // namespace

std::optional<StrictJson> StrictJson::parse(std::string text) {
  StrictJson json;
  if (json.parser_->allocate(std::max<std::size_t>(text.size(), 64), kMaxDepth) !=
      simdjson::SUCCESS)
    return std::nullopt;
  element root;
  if (json.parser_->parse(text).get(root) != simdjson::SUCCESS) return std::nullopt;
  if (root.get_object().get(json.root_) != simdjson::SUCCESS || !namesAreUnique(root))
    return std::nullopt;
  return json;
}

std::optional<element> StrictJson::find(std::string_view name) const {
  element found;
  const auto error =
      name.starts_with('/') ? root_.at_pointer(name).get(found) : root_.at_key(name).get(found);
  if (error != simdjson::SUCCESS) return std::nullopt;
  return found;
}

std::optional<std::string_view> StrictJson::text(std::string_view name) const {
  const auto found = find(name);
  std::string_view text;
  if (!found || found->get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

}  // namespace corbel::identity
